"""Help in groups with examples, a short help, completion by the shell, and manual pages."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from scripts.website import man
from streamkm.cli import main
from streamkm.cli.app import _COMMANDS, _GROUPS

BASH = """
eval "$(streamkm completion bash)"
complete_words() {
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    _streamkm_completion streamkm "${!#}" 2>/dev/null
    echo "${COMPREPLY[@]}"
}
complete_words streamkm dec
complete_words streamkm fit rows.zarr --metric co
complete_words streamkm sweep rows.zarr --loss
"""


def command_of(name):
    return main.get_command(click.Context(main, info_name="streamkm"), name)


def said(*words):
    result = CliRunner().invoke(main, list(words), prog_name="streamkm")
    assert result.exit_code == 0, result.output
    return result.output


def completions(words, incomplete):
    found = ShellComplete(main, {}, "streamkm", "_STREAMKM_COMPLETE").get_completions(
        words.split(), incomplete
    )
    return [(item.type, item.value) for item in found]


def test_every_command_is_in_one_group():
    grouped = [name for names in _GROUPS.values() for name in names if name in _COMMANDS]
    assert sorted(grouped) == sorted(_COMMANDS)
    text = said("--help")
    assert [line[:-1] for line in text.splitlines() if line.endswith(":")][1:] == list(_GROUPS)


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_command_has_an_example_that_is_a_valid_command_line(name):
    for example in command_of(name).example.splitlines():
        words = shlex.split(example.split('"$(')[-1].split(')"')[0], comments=True)
        assert words[:2] == ["streamkm", name]
        command_of(name).make_context(name, words[2:], parent=click.Context(main)).close()
        assert len(example) <= 78
        assert example in said(name, "-h")


def test_the_short_help_has_the_main_options_and_names_the_others():
    short, long = said("fit", "-h"), said("fit", "--help")
    assert "--n-clusters" in short
    assert "--memory-limit" in short
    for option, heading in (
        ("--checkpoint-every", "Checkpoint"),
        ("--workers", "Scheduler"),
        ("--tol", "Iterations"),
        ("--mask", "Data"),
    ):
        assert option not in short
        assert f"{heading}:\n" not in short
        assert option in long.split(f"\n{heading}:\n")[1].split("\n\n")[0]
    assert short.endswith("fit --help also has: iterations, data, checkpoint, scheduler.\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script_that_asks_streamkm(shell):
    script = said("completion", shell)
    assert f"_STREAMKM_COMPLETE={shell}_complete" in script
    assert "_streamkm_completion" in script


def test_bash_completes_commands_values_and_options():
    folder = Path(sys.executable).parent
    if shutil.which("bash") is None or not (folder / "streamkm").exists():
        pytest.skip("needs bash and an installed command")
    env = os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    run = subprocess.run(
        ["bash", "--norc", "-c", BASH], env=env, capture_output=True, text=True, check=True
    )
    assert run.stdout.split("\n")[:3] == ["decompress", "cosine", "--loss-tol"]


@pytest.mark.parametrize(
    ("words", "incomplete", "wanted"),
    [
        ("fit", "ro", [("file", "ro")]),
        ("predict model.zarr rows.zarr -o", "lab", [("file", "lab")]),
        ("fit x --mask", "", [("file", "")]),
        ("fit x --feature-dim", "", []),
        ("decompress a.zarr", "", []),  # names of images are no files
        ("completion", "z", [("plain", "zsh")]),
        ("fit x --init", "two", [("plain", "two-level")]),
    ],
)
def test_files_are_completed_where_a_path_is_meant(words, incomplete, wanted):
    assert completions(words, incomplete) == wanted


def test_manual_pages_have_every_option_and_no_mistakes():
    pages = man.pages()
    assert set(pages) == {"streamkm", *(f"streamkm-{name}" for name in _COMMANDS)}
    for name in _COMMANDS:
        text = pages[f"streamkm-{name}"].replace("\\-", "-")
        assert f".SH EXAMPLE\n.nf\n{command_of(name).example}".replace("\\", "\\e") in text
        for option in command_of(name).params:
            if isinstance(option, click.Option):
                assert any(
                    line.startswith(".B ") and option.opts[0] in line for line in text.splitlines()
                )
    if shutil.which("groff"):
        run = subprocess.run(
            ["groff", "-man", "-ww", "-Tutf8"],
            input="\n".join(pages.values()),
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stderr == ""
        assert "cluster the rows of data" in " ".join(run.stdout.lower().split())

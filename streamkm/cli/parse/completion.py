"""Options of ``streamkm completion``."""

from __future__ import annotations

import click

from streamkm.cli.parse.described import described


@described("completion", 'eval "$(streamkm completion bash)"    # in ~/.bashrc')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), metavar="SHELL")
def command() -> None:
    """Print the script with which SHELL completes commands, options, their values and file names.

    \b
    bash: eval "$(streamkm completion bash)"    in ~/.bashrc
    zsh:  eval "$(streamkm completion zsh)"     in ~/.zshrc, after compinit
    fish: streamkm completion fish | source    in ~/.config/fish/config.fish
    """

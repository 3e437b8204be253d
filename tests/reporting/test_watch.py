"""The page of a checkpoint is served to this computer only, and nothing else is served."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import struct
import threading
import time
from http.client import HTTPConnection

import pytest
from click.testing import CliRunner

from streamkm.cli import main
from streamkm.errors import DataError, NotACheckpointError
from streamkm.reporting import watch
from tests.reporting.conftest import Parsed


@pytest.fixture(scope="module")
def served(folder):
    with watch.server(folder / "fit.ckpt") as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(server, path="/", host=None, method="GET"):
    connection = HTTPConnection(*server.server_address, timeout=20)
    connection.request(method, path, headers={} if host is None else {"Host": host})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_only_the_page_is_served_and_only_under_the_names_of_this_computer(served):
    status, text = ask(served)
    assert status == 200
    assert Parsed(text).facts["phase"] == "done"
    assert served.server_address[0] == "127.0.0.1"
    port = served.server_address[1]
    assert ask(served, host=f"localhost:{port}")[0] == 200
    assert ask(served, host="evil.example")[0] == 403
    assert ask(served, "/../pyproject.toml")[0] == 404
    assert ask(served, method="POST")[0] == 501


def test_the_page_is_drawn_again_only_for_another_state(served):
    assert ask(served)[1] == ask(served)[1]


def test_a_checkpoint_that_is_deleted_is_shown_as_it_was_until_it_is_back(folder, tmp_path):
    shutil.copytree(folder / "fit.ckpt", tmp_path / "c")
    with watch.server(tmp_path / "c") as server:
        page = server.RequestHandlerClass.watched.page
        before = Parsed(page())
        (tmp_path / "c").rename(tmp_path / "away")
        assert "The checkpoint is no longer there; this is its last state." in page()
        assert Parsed(page()).facts == before.facts
        (tmp_path / "away").rename(tmp_path / "c")
        assert "no longer there" not in page()


def test_a_browser_that_goes_away_leaves_no_message(served, capfd):
    for _ in range(3):
        with socket.create_connection(served.server_address) as asked:
            asked.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            asked.sendall(
                f"GET / HTTP/1.0\r\nHost: 127.0.0.1:{asked.getpeername()[1]}\r\n".encode()
            )
    assert ask(served)[0] == 200
    assert capfd.readouterr().err == ""


def test_a_port_that_is_taken_and_what_is_no_checkpoint_are_refused(served, folder):
    port = served.server_address[1]
    with pytest.raises(DataError, match=f"port {port} cannot be used: Address already in use"):
        watch.server(folder / "fit.ckpt", port).__enter__()
    with pytest.raises(NotACheckpointError):
        watch.server(folder / "model.zarr").__enter__()


def test_ctrl_c_ends_the_command_cleanly(folder):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    interrupt = threading.Thread(target=interrupt_once_served, args=(port,))
    interrupt.start()
    said = CliRunner().invoke(
        main, ["report", "--watch", str(folder / "fit.ckpt"), "--port", str(port)]
    )
    interrupt.join()
    assert said.exit_code == 0
    first, rest = said.stdout.split(" ", 1)
    assert first == f"http://127.0.0.1:{port}/"
    assert rest.endswith("fit.ckpt until Ctrl-C.\n")
    assert said.stderr == "\nThe page is no longer served; the run is not affected.\n"


def interrupt_once_served(port):
    """Wait until the port answers, then send what Ctrl-C sends."""
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=20).close()
            break
        except ConnectionRefusedError:
            time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)

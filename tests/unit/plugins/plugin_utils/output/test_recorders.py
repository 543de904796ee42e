# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record of a run in a file, and at a collector."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.caravan.kamal.plugins.plugin_utils.output import otel
from ansible_collections.caravan.kamal.plugins.plugin_utils.output.file import FileRecorder
from ansible_collections.caravan.kamal.plugins.plugin_utils.output.record import ERROR, INFO, Run
from conftest import TREE

sys.path.insert(0, str(Path(__file__).resolve().parents[5] / "molecule" / "shared"))

from collector import Collector, plain

RUN = Run("hello", "staging", "v2", "ada@example.com", "deploy", ["web1", "web2"])


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def frequent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otel, "SECONDS", 0.05)


def recorded(endpoint: str, failure: str | None = None, run: Run = RUN, lines: int = 0, **environ: str) -> float:
    """How long the end of the run took."""
    recorder = otel.OtelRecorder(endpoint, environ)
    recorder.begin(run)
    recorder.line("start container hello-web-v2", "web1", INFO)
    recorder.line("It exited.", "web2", ERROR)
    for number in range(lines):
        recorder.line(f"line {number}", None, INFO)
    began = time.monotonic()
    recorder.end(failure, 12.5)
    return time.monotonic() - began


def test_a_run_that_went_well(collector: Collector) -> None:
    recorded(f"{collector.endpoint}/")
    path, headers, body = collector.requests[0]
    assert (path, headers["Content-Type"]) == ("/v1/logs", "application/json")
    resource = plain(body["resourceLogs"][0]["resource"]["attributes"])
    run_id = resource.pop("kamal.run_id")
    assert resource == {
        "service.name": "kamal",
        "service.namespace": "hello",
        "service.version": "v2",
        "deploy.version": "v2",
        "deploy.performer": "ada@example.com",
        "deployment.environment.name": "staging",
    }
    start, done, failed, complete = collector.records
    deployment = {"command": "deploy", "deployment.id": run_id, "deployment.name": "deploy v2"}
    assert start["body"]["stringValue"] == "kamal.start"
    assert plain(start["attributes"]) == {**deployment, "hosts": "web1,web2"}
    assert (done["severityText"], done["severityNumber"], failed["severityText"]) == ("INFO", 9, "ERROR")
    assert plain(done["attributes"]) == {"log.iostream": "stdout", "server.address": "web1"}
    assert plain(failed["attributes"]) == {"log.iostream": "stderr", "server.address": "web2"}
    assert complete["body"]["stringValue"] == "kamal.complete"
    assert plain(complete["attributes"]) == {**deployment, "runtime": 12.5, "deployment.status": "succeeded"}
    assert abs(int(start["timeUnixNano"]) / 1e9 - time.time()) < 60


def test_a_run_that_failed(collector: Collector) -> None:
    recorded(collector.endpoint, "web2: It exited.")
    last = collector.records[-1]
    assert (last["body"]["stringValue"], last["severityText"]) == ("kamal.failed", "ERROR")
    attributes = plain(last["attributes"])
    assert (attributes["error"], attributes["deployment.status"]) == ("web2: It exited.", "failed")


def test_what_is_no_deployment_has_no_status(collector: Collector) -> None:
    recorded(collector.endpoint, run=Run("hello", None, "v2", "", "proxy.reboot", []))
    assert plain(collector.records[-1]["attributes"]) == {"command": "proxy.reboot", "runtime": 12.5}


def test_many_lines_are_sent_in_batches(collector: Collector) -> None:
    recorded(collector.endpoint, lines=250)
    assert len(collector.records) == 254
    assert max(len(body["resourceLogs"][0]["scopeLogs"][0]["logRecords"]) for *_rest, body in collector.requests) <= 100


def test_headers_are_those_of_the_environment(collector: Collector) -> None:
    recorded(collector.endpoint, OTEL_EXPORTER_OTLP_HEADERS="authorization=Basic%20abc, x-team = web")
    headers = collector.requests[0][1]
    assert (headers["Authorization"], headers["X-Team"]) == ("Basic abc", "web")


def test_a_redirect_is_told_and_not_followed_with_what_authorizes(capsys: pytest.CaptureFixture[str]) -> None:
    moved = Collector(302)
    recorded(moved.endpoint, OTEL_EXPORTER_OTLP_HEADERS="authorization=secret")
    assert {path for path, _headers, _body in moved.requests} == {"/v1/logs"}
    assert "does not take what is sent: HTTP Error 302" in capsys.readouterr().err
    moved.server.shutdown()
    moved.server.server_close()


def test_a_collector_that_is_down_is_told_once_and_delays_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # Nobody listens there.
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        recorder = otel.OtelRecorder(endpoint, {})
        recorder.begin(RUN)
        for _number in range(3):
            recorder.line("start", "web1", INFO)
            time.sleep(0.2)
        began = time.monotonic()
        recorder.end(None, 1.0)
        assert time.monotonic() - began < 0.5
    assert capsys.readouterr().err.count(f"output/otel: {endpoint}/v1/logs does not take what is sent") == 1


def test_a_collector_that_hangs_delays_the_end_by_a_moment_only() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert recorded(f"http://127.0.0.1:{silent.getsockname()[1]}") < otel.PATIENCE + 1


INTERRUPTED = f"""
import signal
from ansible_collections.caravan.kamal.plugins.plugin_utils.output import otel
recorder = otel.OtelRecorder("http://127.0.0.1:9", {{}})
signal.signal(signal.SIGALRM, lambda number, frame: recorder.line("last", None, otel.INFO))
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
for number in range({otel.ROOM}):
    recorder.line("line", None, otel.INFO)
signal.setitimer(signal.ITIMER_REAL, 0)
"""


def test_a_signal_in_the_midst_of_a_line_may_record_another_one() -> None:
    """As the end of a run that is cut off."""
    subprocess.run([sys.executable, "-c", INTERRUPTED], env={"PYTHONPATH": str(TREE)}, check=True, timeout=60)


def test_a_collector_that_refuses_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    refusing = Collector(status=401)
    recorded(refusing.endpoint)
    assert "HTTP Error 401" in capsys.readouterr().err
    refusing.server.shutdown()
    refusing.server.server_close()


@pytest.mark.parametrize(
    ("failure", "last"), [(None, "# Completed in 12.5s"), ("web2: It exited.", "# FAILED: web2: It exited. (12.5s)")]
)
def test_a_file(tmp_path: Path, failure: str | None, last: str) -> None:
    recorder = FileRecorder(str(tmp_path / "log" / "deploys"))
    recorder.line("too early", None, INFO)
    recorder.begin(Run("hello", "staging", "v2", "", "app.boot", []))
    recorder.line("Stage it", None, INFO)
    recorder.line("It exited.", "web2", ERROR)
    said = recorder.end(failure, 12.5)
    (file,) = (tmp_path / "log" / "deploys").iterdir()
    assert said == f"Logs written to {file}"
    assert file.name.endswith("_staging_app_boot.log")
    assert file.read_text().splitlines() == ["INFO Stage it", "ERROR [web2] It exited.", last]
    assert recorder.end(None, 0.0) is None

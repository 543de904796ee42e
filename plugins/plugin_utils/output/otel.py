# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Log records for an OpenTelemetry collector, as OTLP/HTTP with JSON, with the names that Kamal has for them.

A thread sends them; nothing waits for it but the end of a run, and that for two seconds at most.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
import urllib.request
import uuid
from typing import Any, Dict, List, Mapping, Optional
from urllib.parse import unquote

from .record import ERROR, INFO, Run

BATCH, SECONDS, TIMEOUT, PATIENCE = 100, 5.0, 2.0, 2.0
ROOM = 10_000
# Of OpenTelemetry, which every exporter reads: NAME=VALUE,NAME=VALUE.
HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
SEVERITIES = {INFO: 9, ERROR: 17}
STREAMS = {INFO: "stdout", ERROR: "stderr"}
DEPLOYING = ("deploy", "redeploy", "rollback", "setup")


class OtelRecorder:
    def __init__(self, endpoint: str, environ: Mapping[str, str]) -> None:
        self._url = f"{endpoint.rstrip('/')}/v1/logs"
        self._headers = {"Content-Type": "application/json", **_headers(environ.get(HEADERS, ""))}
        # A signal handler can add to it while the main thread does; a Queue would wait for its own lock.
        self._waiting: queue.SimpleQueue[Dict[str, Any]] = queue.SimpleQueue()
        self._is_over, self._has_failed = threading.Event(), False
        self._resource: List[Dict[str, Any]] = []
        self._attributes: Dict[str, Any] = {}

    def begin(self, run: Run) -> None:
        run_id = uuid.uuid4().hex
        self._resource = _attributes(
            {
                "service.name": "kamal",
                "service.namespace": run.service,
                "service.version": run.version,
                "deploy.version": run.version,
                "deploy.performer": run.performer or "unknown",
                "deployment.environment.name": run.destination or "unknown",
                "kamal.run_id": run_id,
            }
        )
        self._attributes = {"command": run.command}
        if run.command in DEPLOYING:
            self._attributes.update({"deployment.id": run_id, "deployment.name": f"{run.command} {run.version}"})
        self._thread = threading.Thread(target=self._send_all, daemon=True)
        self._thread.start()
        self._event("kamal.start", {"hosts": ",".join(run.hosts)}, INFO)

    def line(self, text: str, host: Optional[str], severity: str) -> None:
        place = {"server.address": host} if host else {}
        self._put(text, {"log.iostream": STREAMS[severity], **place}, severity)

    def end(self, failure: Optional[str], seconds: float) -> Optional[str]:
        status = (
            {"deployment.status": "failed" if failure else "succeeded"} if "deployment.id" in self._attributes else {}
        )
        if failure:
            self._event("kamal.failed", {"runtime": seconds, "error": failure, **status}, ERROR)
        else:
            self._event("kamal.complete", {"runtime": seconds, **status}, INFO)
        self._is_over.set()
        self._thread.join(0 if self._has_failed else PATIENCE)
        return None

    def _event(self, name: str, more: Mapping[str, Any], severity: str) -> None:
        self._put(name, {**self._attributes, **more}, severity)

    def _put(self, body: str, attributes: Mapping[str, Any], severity: str) -> None:
        record = {
            "timeUnixNano": str(time.time_ns()),
            "severityNumber": SEVERITIES[severity],
            "severityText": severity,
            "body": {"stringValue": body},
            "attributes": _attributes(attributes),
        }
        if self._waiting.qsize() < ROOM:  # A collector that is that far behind gets the rest.
            self._waiting.put(record)

    # In the thread

    def _send_all(self) -> None:
        while not (self._is_over.is_set() and self._waiting.empty()):
            self._is_over.wait(SECONDS)
            while not self._waiting.empty():
                self._send([self._waiting.get_nowait() for _number in range(min(BATCH, self._waiting.qsize()))])

    def _send(self, records: List[Dict[str, Any]]) -> None:
        scope = [{"scope": {"name": "caravan.kamal"}, "logRecords": records}]
        body = json.dumps({"resourceLogs": [{"resource": {"attributes": self._resource}, "scopeLogs": scope}]})
        try:
            request = urllib.request.Request(self._url, body.encode(), self._headers)
            _OPENER.open(request, timeout=TIMEOUT).close()
        except Exception as error:
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        """Once: the run goes on without."""
        if not self._has_failed:
            self._has_failed = True
            sys.stderr.write(f"[WARNING]: output/otel: {self._url} does not take what is sent: {error}\n")


class _Nowhere(urllib.request.HTTPRedirectHandler):
    """A redirect would drop what is sent, and take the headers that authorize to another place."""

    def redirect_request(self, *_arguments: Any, **_more: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_Nowhere)


def _attributes(values: Mapping[str, Any]) -> List[Dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in values.items()]


def _value(value: Any) -> Dict[str, Any]:
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": str(value)}


def _headers(text: str) -> Dict[str, str]:
    pairs = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {name.strip(): unquote(value.strip()) for name, _equals, value in pairs}

"""Every endpoint: one value each, from which the server, the document and the tests are made."""

from __future__ import annotations

from functools import partial
from typing import Final

from pgbackstop_runner.console.api import acting, models, reading
from pgbackstop_runner.console.api.endpoint import Endpoint
from pgbackstop_runner.overview.document import StatusDocument

_STARTED: Final = {202: "Started; Location says where to ask how it stands."}
_WAITED: Final = {200: "Over, and it succeeded.", **_STARTED}
_proof = partial(
    Endpoint,
    method="POST",
    role="operator",
    answer=models.Operation,
    body=models.ProofAsked,
    good=_WAITED,
    refusals=(404, 409, 424),
)

ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/status",
        name="getStatus",
        role="viewer",
        summary="Whether you are safe and why not, as pgbackstop status says it.",
        handler=reading.status,
        answer=StatusDocument,
    ),
    Endpoint(
        method="GET",
        path="/alerts",
        name="getAlerts",
        role="viewer",
        summary="Which alerts fire, as Alertmanager says it.",
        handler=reading.alerts,
        answer=models.Alerts,
    ),
    Endpoint(
        method="GET",
        path="/servers",
        name="getServers",
        role="viewer",
        summary="To which moments each server can be recovered, and what of that is proven.",
        handler=reading.servers,
        answer=models.Servers,
    ),
    Endpoint(
        method="GET",
        path="/plans",
        name="getPlans",
        role="viewer",
        summary="The plans of the configuration, and their next runs.",
        handler=reading.plans,
        answer=models.Plans,
    ),
    Endpoint(
        method="GET",
        path="/backups",
        name="getBackups",
        role="viewer",
        summary="Attempts, good and bad, the newest first, page by page.",
        handler=reading.backups,
        answer=models.BackupPage,
        query=models.BackupsAsked,
        refusals=(404,),
    ),
    Endpoint(
        method="POST",
        path="/backups",
        name="makeBackups",
        role="operator",
        summary="Make the backups of a plan now; pinned, and answered when they are safe, if asked for.",
        handler=acting.back_up,
        answer=models.Operation,
        body=models.BackupAsked,
        good=_WAITED,
        refusals=(404, 409, 424),
    ),
    Endpoint(
        method="GET",
        path="/backups/{id}",
        name="getBackup",
        role="viewer",
        summary="One attempt: its whole record, its copies and its proofs.",
        handler=reading.backup,
        answer=models.BackupDetails,
        refusals=(404,),
    ),
    _proof(
        path="/backups/{id}/verify",
        name="verifyBackup",
        summary="Read a backup back now, every byte.",
        handler=acting.verify,
    ),
    _proof(
        path="/backups/{id}/drill",
        name="drillBackup",
        summary="Restore a backup now into a throw-away server, and check it.",
        handler=acting.drill,
    ),
    Endpoint(
        method="POST",
        path="/backups/{id}/pin",
        name="pinBackup",
        role="operator",
        summary="Keep a backup, whatever retention says; a pin that it had is replaced.",
        handler=acting.pin,
        answer=models.BackupDetails,
        body=models.PinAsked,
        refusals=(404, 409),
    ),
    Endpoint(
        method="DELETE",
        path="/backups/{id}/pin",
        name="unpinBackup",
        role="operator",
        summary="Let retention judge a backup again.",
        handler=acting.unpin,
        answer=models.BackupDetails,
        refusals=(404, 409),
    ),
    Endpoint(
        method="GET",
        path="/operations",
        name="getOperations",
        role="viewer",
        summary="What was started here, the last 200, the newest first.",
        handler=reading.operations,
        answer=models.Operations,
    ),
    Endpoint(
        method="GET",
        path="/operations/{id}",
        name="getOperation",
        role="viewer",
        summary="How an operation of the console stands, one of the last 200; it may be an earlier daemon's.",
        handler=reading.operation,
        answer=models.Operation,
        refusals=(404,),
    ),
    Endpoint(
        method="POST",
        path="/operations/{id}/cancel",
        name="cancelOperation",
        role="operator",
        summary="Ask an operation to end; one that has ended stays as it is.",
        handler=acting.cancel,
        answer=models.Operation,
        good={202: "Asked to end; Location says where to ask how it stands."},
        refusals=(404,),
    ),
    Endpoint(
        method="GET",
        path="/audit",
        name="getAudit",
        role="admin",
        summary="Who logged in, started, cancelled, pinned, or was refused; the last 200 deeds.",
        handler=reading.deeds,
        answer=models.Audit,
    ),
)

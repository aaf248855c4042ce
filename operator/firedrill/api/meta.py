"""Names that Kubernetes objects of Firedrill carry: group, labels, annotations, finalizer."""

from typing import Final

GROUP: Final = "firedrill.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
CATEGORY: Final = "firedrill"

#: On every object that Firedrill creates in a target; the one label its watches select by.
LABEL_MANAGED: Final = f"{GROUP}/managed"
#: UID of the resource that an object in a target belongs to; owner references do not cross clusters.
LABEL_UID: Final = f"{GROUP}/uid"
LABEL_KIND: Final = f"{GROUP}/kind"
LABEL_RUN: Final = f"{GROUP}/run"
#: runner, guardian, task, part, result, record, state or reaction.
LABEL_ROLE: Final = f"{GROUP}/role"
#: A Secret in a runner namespace is usable by the hub namespace that this label names, and by no other.
LABEL_HUB_NAMESPACE: Final = f"{GROUP}/hub-namespace"
#: A namespace of a target takes part in experiments and fixes only with this label set to "enabled".
LABEL_OPT_IN: Final = f"{GROUP}/experiments"

#: namespace/name on the hub of the resource that an object in a target belongs to.
ANNOTATION_RESOURCE: Final = f"{GROUP}/resource"
#: A new value asks for a run without changing the spec.
ANNOTATION_RUN_AT: Final = f"{GROUP}/run-at"
#: Who asked for what the resource says now; put there by admission, and sealed.
ANNOTATION_REQUESTED_BY: Final = f"{GROUP}/requested-by"
#: Carries the id of a run that could not be seen undone, and that a person has seen to; for what stands, the names
#: of the targets in which a person says that nothing is left.
ANNOTATION_SETTLED: Final = f"{GROUP}/settled"
#: Carries the hash of the proposal that a person approves.
ANNOTATION_APPROVE: Final = f"{GROUP}/approve"

FINALIZER: Final = f"{GROUP}/undo"
FIELD_MANAGER: Final = "firedrill"

TASK_KEY: Final = "task.json"
RESULT_KEY: Final = "result.json"
RECORD_KEY: Final = "record.json"
CONTROL_KEY: Final = "control.json"
STATE_KEY: Final = "state.json"
REACTION_KEY: Final = "reaction.json"

#: Secret in the operator's namespace with the certificate of admission and the key of its stamps.
WEBHOOK_SECRET: Final = "firedrill-webhook"  # noqa: S105 - the name of one
STAMP_KEY: Final = "stamp.key"

"""Parts that more than one kind has: references, resources, scheduling, conditions."""

import re
from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic.json_schema import WithJsonSchema
from pydantic_core import PydanticCustomError

from tradingbot_operator.api.conditions import ConditionStatus
from tradingbot_operator.api.markers import VALIDATIONS, FreeForm, Rule, Text, list_map, list_type
from tradingbot_operator.api.model import ApiModel, StatusModel, Timestamp
from tradingbot_operator.api.names import ResourceNames

ObjectName = Annotated[
    str,
    Text(
        253,
        r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        "write the name of an object in the same namespace: lower-case letters, digits, - and .",
    ),
]
DataKey = Annotated[
    str,
    Text(
        253,
        r"^[-._a-zA-Z0-9]+$",
        "write a key of the Secret or ConfigMap: letters, digits, -, _ and . only",
    ),
]
ImageReference = Annotated[
    str,
    Text(
        512,
        r"^[a-zA-Z0-9][-a-zA-Z0-9._:/@]*$",
        "write an image as registry/repository:tag or registry/repository@sha256:digest",
    ),
]
LabelText = Annotated[str, Text(253)]

QUANTITY_PATTERN = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)
_QUANTITY = re.compile(QUANTITY_PATTERN)


def _read_quantity(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise PydanticCustomError("quantity", "write an amount such as 500m, 2 or 512Mi; put a fraction in quotes")
    found = str(value)
    if not _QUANTITY.fullmatch(found):
        raise PydanticCustomError("quantity", "write an amount such as 500m, 2 or 512Mi")
    return found


Quantity = Annotated[
    str,
    BeforeValidator(_read_quantity),
    Field(max_length=32),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": QUANTITY_PATTERN,
            "maxLength": 32,
            "x-kubernetes-int-or-string": True,
            VALIDATIONS: [
                Rule(
                    "type(self) == int || isQuantity(string(self))",
                    "write an amount such as 500m, 2 or 512Mi; put a fraction in quotes",
                ).to_schema()
            ],
        }
    ),
]
"""An amount of a resource as Kubernetes writes it: 500m, 2, 512Mi."""

ResourceAmounts = Annotated[dict[LabelText, Quantity], Field(max_length=16)]


class LocalReference(ApiModel):
    """An object of a known kind in the same namespace."""

    name: ObjectName
    """Name of the object, in the namespace of this object. No reference crosses a namespace."""


class SecretKeyReference(ApiModel):
    """One key of a Secret in the same namespace. The operator passes the reference on and never reads the Secret."""

    name: ObjectName
    """Name of the Secret, in the namespace of this object."""


class DatabaseUrlReference(SecretKeyReference):
    """The Secret with the database's address."""

    key: DataKey = "url"
    """Key whose value is the address, for example postgresql://user:password@host:5432/database."""


class ResourceRequirements(ApiModel):
    """CPU and memory of a container, as in any pod."""

    requests: ResourceAmounts | None = None
    """What is reserved on the node: cpu in cores (500m is half a core), memory in bytes (512Mi). A fraction of a core
    is written as 500m or in quotes."""
    limits: ResourceAmounts | None = None
    """What may be used at most, in the same units. A container above its memory limit is killed and restarted."""


class TolerationOperator(StrEnum):
    """How a toleration compares a taint."""

    EXISTS = "Exists"
    EQUAL = "Equal"


class TaintEffect(StrEnum):
    """What a taint does to pods that do not tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(ApiModel):
    """A taint of nodes that the pod accepts."""

    key: LabelText | None = None
    """Key of the taint. Without it, operator must be Exists, and every taint is tolerated."""
    operator: TolerationOperator = TolerationOperator.EQUAL
    """Exists tolerates any value of the key; Equal tolerates exactly value."""
    value: LabelText | None = None
    """Value of the taint, for Equal."""
    effect: TaintEffect | None = None
    """Effect of the taint. Without it, all effects are tolerated."""
    toleration_seconds: Annotated[int, Field(ge=0, le=31_536_000)] | None = None
    """Seconds that a running pod stays on the node after a NoExecute taint appeared. Without it, for ever."""


class Scheduling(ApiModel):
    """Which nodes the pods may run on, and how important they are."""

    node_selector: Annotated[dict[LabelText, LabelText], Field(max_length=32)] = Field(default_factory=dict)
    """Labels that a node must have."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32), list_type("atomic")] = ()
    """Taints that are accepted."""
    priority_class_name: ObjectName | None = None
    """PriorityClass of the pods. A pod of higher priority is the last to be evicted."""
    affinity: FreeForm | None = None
    """Affinity to nodes and pods, exactly as in a pod (kubectl explain pod.spec.affinity). It is passed on unread."""


class Condition(StatusModel):
    """One thing that is true, false or unknown about the object at the moment."""

    type: Annotated[str, Field(min_length=1, max_length=64)]
    """What the condition is about."""
    status: ConditionStatus
    """True, False or Unknown."""
    reason: Annotated[str, Field(min_length=1, max_length=64)]
    """Why, in one word of a closed list; docs/reference.md explains each."""
    message: Annotated[str, Field(max_length=4096)] = ""
    """Why, in a sentence, and what to do about it."""
    last_transition_time: Timestamp
    """When status last changed."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """metadata.generation of the object that the condition was derived from."""


Conditions = Annotated[tuple[Condition, ...], Field(max_length=16), list_map("type")]
ObservedGeneration = Annotated[int, Field(ge=0)]


def name_rule(resource: ResourceNames, longest: int) -> Rule:
    """Refuse names that would not fit into those of the children.

    Only asked on creation: a name never changes, and no rule about it may stand in the way of a later stop.
    """
    pattern = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
    return Rule(
        f"oldSelf.hasValue() || (self.metadata.name.size() <= {longest} && "
        "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$'))",
        f"the name of a {resource.kind} has at most {longest} characters, starts with a letter and has only lower-case "
        "letters, digits and - (its children's names are made from it): choose another metadata.name",
        field_path=".metadata.name",
        optional_old_self=True,
        holds=lambda obj: len(obj.metadata.name) <= longest and pattern.fullmatch(obj.metadata.name) is not None,
    )

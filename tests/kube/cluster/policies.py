"""NetworkPolicies as rules of nftables: what a cluster's network plugin does, for a cluster of one node.

The bridge plugin ignores policies, and no controller for them can be had from package registries. Here is what
`networking.k8s.io/v1` says, as a pure function from objects to rules: selectors of pods and namespaces, blocks of
addresses with exceptions, ports by number, range and name. https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Object = Mapping[str, Any]
Labels = Mapping[str, str]
TABLE = "streamspace_policies"


@dataclass(frozen=True)
class Pod:
    """What policies ask of a pod."""

    namespace: str
    name: str
    address: str
    labels: Labels
    ports: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By protocol and name."""


def pods_of(objects: Iterable[Object]) -> list[Pod]:
    """Return the pods that have an address of their own."""
    return [
        Pod(
            item["metadata"]["namespace"],
            item["metadata"]["name"],
            item["status"]["podIP"],
            item["metadata"].get("labels", {}),
            {
                (port.get("protocol", "TCP"), port["name"]): port["containerPort"]
                for container in item["spec"]["containers"]
                for port in container.get("ports", [])
                if "name" in port
            },
        )
        for item in objects
        if item["status"].get("podIP")
        and not item["spec"].get("hostNetwork")
        and item["status"]["phase"] not in ("Succeeded", "Failed")
    ]


def ruleset(policies: Iterable[Object], pods: Iterable[Pod], namespaces: Mapping[str, Labels]) -> str:
    """Return the whole table, for `nft -f`: it takes the place of the one before in one step.

    Args:
        policies: all NetworkPolicies.
        pods: all pods.
        namespaces: the labels of all namespaces.
    """
    world = _World(list(pods), namespaces)
    policies = list(policies)
    chains: list[str] = []
    jumps: list[str] = []
    for number, pod in enumerate(world.pods):
        for direction, own in (("Egress", "saddr"), ("Ingress", "daddr")):
            rules = [rule for policy in policies for rule in _rules(policy, pod, direction)]
            selected = any(_selects(policy, pod) and direction in _types(policy) for policy in policies)
            if selected:
                name = f"{direction.lower()}_{number}"
                lines = [line for rule in rules for line in world.lines(rule, direction, pod)]
                chains.append(_chain(name, [*lines, "counter drop"]))
                jumps.append(f"ip {own} {pod.address} jump {name}")
    return "\n".join(
        [
            # Adding first makes the deletion of one that is not there succeed.
            f"table inet {TABLE} {{}}",
            f"delete table inet {TABLE}",
            f"table inet {TABLE} {{",
            *chains,
            # Between pods, and from pods to the node and what listens there: the API server. What the node itself
            # sends passes: it holds the kubelet's probes.
            *(
                _chain(hook, [_hook(hook), "ct state established,related accept", *jumps])
                for hook in ("forward", "input")
            ),
            "}",
        ]
    )


def _hook(name: str) -> str:
    return f"type filter hook {name} priority -10; policy accept;"


def _chain(name: str, lines: Iterable[str]) -> str:
    return "\n".join([f"  chain {name} {{", *(f"    {line}" for line in lines), "  }"])


def _types(policy: Object) -> list[str]:
    spec = policy["spec"]
    types: list[str] = spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]
    return types


def _selects(policy: Object, pod: Pod) -> bool:
    same = policy["metadata"]["namespace"] == pod.namespace
    return same and matches(policy["spec"].get("podSelector", {}), pod.labels)


def _rules(policy: Object, pod: Pod, direction: str) -> Iterator[tuple[Object, Object]]:
    """Yield (policy, rule) for each rule of `direction` that is about `pod`."""
    if _selects(policy, pod) and direction in _types(policy):
        for rule in policy["spec"].get(direction.lower()) or []:
            yield policy, rule


def matches(selector: Object, labels: Labels) -> bool:
    """Return whether a label selector selects; an empty one selects everything."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression(expression, labels) for expression in selector.get("matchExpressions") or [])


def _expression(expression: Object, labels: Labels) -> bool:
    key, values = expression["key"], expression.get("values") or []
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    raise ValueError(f"operator {expression['operator']} of a label selector is unknown")


@dataclass(frozen=True)
class _World:
    pods: list[Pod]
    namespaces: Mapping[str, Labels]

    def lines(self, rule: tuple[Object, Object], direction: str, pod: Pod) -> Iterator[str]:
        """Yield nftables' lines that let through what `rule` allows to or from `pod`."""
        policy, allowed = rule
        other = "saddr" if direction == "Ingress" else "daddr"
        peers = allowed.get("from" if direction == "Ingress" else "to")
        namespace = policy["metadata"]["namespace"]
        addresses = (
            [""]
            if not peers
            else [f"ip {other} {text}" for peer in peers for text in self._peer(peer, namespace, other)]
        )
        receivers = [pod] if direction == "Ingress" else self.pods
        for address in addresses:
            for port in list(_ports(allowed.get("ports"), receivers)):
                yield " ".join(part for part in (address, port, "return") if part)

    def _peer(self, peer: Object, namespace: str, other: str) -> Iterator[str]:
        if "ipBlock" in peer:
            block, excepted = peer["ipBlock"]["cidr"], peer["ipBlock"].get("except") or []
            if ":" not in block:  # there is no IPv6 here
                yield block + (f" ip {other} != {{ {', '.join(excepted)} }}" if excepted else "")
            return
        selected = [
            pod.address
            for pod in self.pods
            if self._in_namespace(pod, peer, namespace) and matches(peer.get("podSelector") or {}, pod.labels)
        ]
        if selected:
            yield f"{{ {', '.join(sorted(selected))} }}"

    def _in_namespace(self, pod: Pod, peer: Object, namespace: str) -> bool:
        if peer.get("namespaceSelector") is None:
            return pod.namespace == namespace
        return matches(peer["namespaceSelector"], self.namespaces.get(pod.namespace, {}))


def _ports(ports: Iterable[Object] | None, receivers: Iterable[Pod]) -> Iterator[str]:
    if not ports:
        yield ""
        return
    for port in ports:
        protocol, number = port.get("protocol", "TCP"), port.get("port")
        match number:
            case None:
                yield f"meta l4proto {protocol.lower()}"
            case int():
                last = port.get("endPort", number)
                yield f"{protocol.lower()} dport {number if last == number else f'{number}-{last}'}"
            case _:
                for found in sorted(
                    {pod.ports[protocol, number] for pod in receivers if (protocol, number) in pod.ports}
                ):
                    yield f"{protocol.lower()} dport {found}"

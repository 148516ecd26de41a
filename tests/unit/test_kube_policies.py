"""NetworkPolicies as the tests' cluster understands them: a table."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kube.cluster.policies import Pod, matches, pods_of, ruleset

ANN = Pod("hub", "ann", "10.0.0.1", {"app": "session", "user": "ann"}, {("TCP", "notebook-port"): 8888})
BOB = Pod("hub", "bob", "10.0.0.2", {"app": "session", "user": "bob"})
PROXY = Pod("hub", "proxy", "10.0.0.3", {"app": "proxy"})
OTHER = Pod("other", "spy", "10.0.0.4", {"app": "proxy"})
NAMESPACES = {"hub": {"name": "hub"}, "other": {"name": "other"}}


def policy(**spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "hub", "name": "p"},
        "spec": {"podSelector": {"matchLabels": {"user": "ann"}}, **spec},
    }


def lines(*policies: dict[str, Any]) -> dict[str, list[str]]:
    """Return the lines of each chain."""
    chains: dict[str, list[str]] = {}
    name = ""
    for line in ruleset(policies, [ANN, BOB, PROXY, OTHER], NAMESPACES).splitlines():
        text = line.strip()
        if text.startswith("chain "):
            name = text.split()[1]
            chains[name] = []
        elif name and text != "}":
            chains[name].append(text)
    return chains


def test_without_policies_everything_passes() -> None:
    assert set(lines()) == {"forward", "input"}
    assert lines()["forward"] == [
        "type filter hook forward priority -10; policy accept;",
        "ct state established,related accept",
    ]


def test_who_is_selected_is_closed_and_nobody_else() -> None:
    chains = lines(policy(policyTypes=["Ingress"]))
    assert chains["ingress_0"] == ["counter drop"]
    assert chains["forward"][2:] == ["ip daddr 10.0.0.1 jump ingress_0"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({}, ["return"]),
        ({"from": [{"podSelector": {"matchLabels": {"app": "proxy"}}}]}, ["ip saddr { 10.0.0.3 } return"]),
        (
            {"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "proxy"}}}]},
            ["ip saddr { 10.0.0.3, 10.0.0.4 } return"],
        ),
        ({"from": [{"namespaceSelector": {"matchLabels": {"name": "other"}}}]}, ["ip saddr { 10.0.0.4 } return"]),
        ({"from": [{"podSelector": {"matchLabels": {"app": "nobody"}}}]}, []),
        (
            {"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]},
            ["ip saddr 10.0.0.0/8 ip saddr != { 10.1.0.0/16 } return"],
        ),
        ({"ports": [{"port": "notebook-port"}]}, ["tcp dport 8888 return"]),
        ({"ports": [{"port": "no-such-port"}]}, []),
        ({"ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}]}, ["tcp dport 80 return", "udp dport 53 return"]),
        ({"ports": [{"port": 80, "endPort": 90}]}, ["tcp dport 80-90 return"]),
        ({"ports": [{"protocol": "UDP"}]}, ["meta l4proto udp return"]),
    ],
)
def test_what_a_rule_lets_in(rule: dict[str, Any], expected: list[str]) -> None:
    assert lines(policy(ingress=[rule]))["ingress_0"] == [*expected, "counter drop"]


def test_what_a_rule_lets_out() -> None:
    chains = lines(policy(policyTypes=["Egress"], egress=[{"to": [{"podSelector": {"matchLabels": {"user": "bob"}}}]}]))
    assert chains["egress_0"] == ["ip daddr { 10.0.0.2 } return", "counter drop"]
    assert "ip saddr 10.0.0.1 jump egress_0" in chains["input"], "the node is not exempt"


def test_policies_add_up() -> None:
    chains = lines(policy(ingress=[{"ports": [{"port": 1}]}]), policy(ingress=[{"ports": [{"port": 2}]}]))
    assert chains["ingress_0"] == ["tcp dport 1 return", "tcp dport 2 return", "counter drop"]


@pytest.mark.parametrize(
    ("operator", "values", "selected"),
    [
        ("In", ["a"], True),
        ("In", ["b"], False),
        ("NotIn", ["a"], False),
        ("Exists", [], True),
        ("DoesNotExist", [], False),
    ],
)
def test_expressions_of_selectors(operator: str, values: list[str], selected: bool) -> None:
    assert matches({"matchExpressions": [{"key": "x", "operator": operator, "values": values}]}, {"x": "a"}) is selected


def test_an_unknown_expression_is_no_permission() -> None:
    with pytest.raises(ValueError, match="Gt"):
        matches({"matchExpressions": [{"key": "x", "operator": "Gt"}]}, {"x": "a"})


def test_pods_without_an_address_of_their_own_are_left_out() -> None:
    def pod(name: str, phase: str = "Running", ip: str | None = "10.0.0.9", **spec: Any) -> dict[str, Any]:
        status = {"phase": phase} | ({"podIP": ip} if ip else {})
        return {"metadata": {"namespace": "hub", "name": name}, "spec": {"containers": [], **spec}, "status": status}

    found = pods_of([pod("a"), pod("b", ip=None), pod("c", hostNetwork=True), pod("d", phase="Succeeded")])
    assert [item.name for item in found] == ["a"]

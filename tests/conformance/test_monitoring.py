"""Alert rules and dashboard: promtool takes and tests them, and they speak of metrics that there are."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY, generate_latest
from streamspace_proxy.streamer.metrics import Metrics as SessionMetrics
from streamspace_spawner import queues

from streamspace_hub.service.metrics import Metrics

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "streamspace_hub" / "service" / "monitoring"
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text())
RULES = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"][0]["rules"]
SESSIONS = json.loads((MONITORING / "sessions.json").read_text())


def queries_of(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


QUERIES = queries_of(DASHBOARD)
NAME = re.compile(r"\bstreamspace_\w+")


@pytest.fixture(scope="module")
def promtool() -> str:
    return subprocess.run([ROOT / "tools" / "promtool"], check=True, capture_output=True, text=True).stdout.strip()


def run(*command: str, cwd: Path = MONITORING) -> str:
    done = subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_rules_are_rules_and_do_what_they_say(promtool: str) -> None:
    assert f"{len(RULES)} rules found" in run(promtool, "check", "rules", "alerts.yaml")
    assert "SUCCESS" in run(promtool, "test", "rules", "alerts.test.yaml")


def test_each_rule_is_tested_both_ways() -> None:
    expected: dict[str, set[bool]] = {rule["alert"]: set() for rule in RULES}
    for test in yaml.safe_load((MONITORING / "alerts.test.yaml").read_text())["tests"]:
        for case in test["alert_rule_test"]:
            expected[case["alertname"]].add(bool(case["exp_alerts"]))
    assert all(ways == {True, False} for ways in expected.values()), expected


def test_each_query_of_the_dashboard_is_one(promtool: str, tmp_path: Path) -> None:
    rules = [
        {"record": f"query:number{number}", "expr": query.replace("$__rate_interval", "5m")}
        for number, query in enumerate([*QUERIES, *queries_of(SESSIONS)])
    ]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(rules)} rules found" in run(promtool, "check", "rules", "rules.yaml", cwd=tmp_path)


def test_the_dashboard_of_sessions_asks_for_metrics_that_sessions_have() -> None:
    there = {family.name for family in SessionMetrics().registry.collect()}
    asked = {name for text in queries_of(SESSIONS) for name in NAME.findall(text)}
    assert asked
    assert {re.sub(r"_(bucket|count|sum|total)$", "", name) for name in asked} <= there


def test_all_of_them_ask_for_metrics_that_service_and_hub_have() -> None:
    page = Metrics().page({}).decode() + generate_latest(REGISTRY).decode()
    assert all(f'streamspace_queue_length{{queue="{kind}"}}' in page for kind in queues.KINDS)
    there = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")}
    asked = {name for text in [*QUERIES, *(rule["expr"] for rule in RULES)] for name in NAME.findall(text)}
    assert asked
    assert {re.sub(r"_(bucket|count|sum)$", "", name) for name in asked} <= there

"""What the log gets to see of an object that the API server refused."""

from __future__ import annotations

import pytest
from kubernetes_asyncio.client import (
    ApiClient,
    V1ConfigMap,
    V1Container,
    V1EnvVar,
    V1EnvVarSource,
    V1ObjectMeta,
    V1Pod,
    V1PodSpec,
    V1Secret,
    V1SecretKeySelector,
)
from streamspace_spawner.discreet import discreet, hidden

KEY = "c2VjcmV0IGtleQ=="


def pod() -> V1Pod:
    chosen = V1EnvVarSource(secret_key_ref=V1SecretKeySelector(name="course", key="password"))
    variables = [V1EnvVar(name="JUPYTERHUB_API_TOKEN", value="t0ken"), V1EnvVar(name="COURSE", value_from=chosen)]
    first = V1Container(name="first", image="a/b:1", env=variables)
    as_written_by_an_admin = {"name": "second", "image": "c/d:1", "env": [{"name": "PASSWORD", "value": "t0psecret"}]}
    return V1Pod(
        metadata=V1ObjectMeta(name="jupyter-ann"),
        spec=V1PodSpec(containers=[first, as_written_by_an_admin]),
    )


@pytest.mark.parametrize("say", [str, repr, lambda thing: thing.to_str()])
def test_a_pod_tells_names_and_no_values(say) -> None:  # type: ignore[no-untyped-def]
    said = say(discreet(pod()))
    assert "t0ken" not in said
    assert "t0psecret" not in said
    for told in ("jupyter-ann", "a/b:1", "c/d:1", "JUPYTERHUB_API_TOKEN", "PASSWORD", "'key': 'password'"):
        assert told in said


@pytest.mark.parametrize("field", ["data", "string_data"])
def test_a_secret_tells_its_keys_only(field: str) -> None:
    said = discreet(V1Secret(metadata=V1ObjectMeta(name="certificates"), **{field: {"ssl.key": KEY}})).to_str()
    assert "ssl.key" in said
    assert "certificates" in said
    assert KEY not in said


@pytest.mark.parametrize("thing", [pod(), V1Secret(data={"ssl.key": KEY}), V1ConfigMap(data={"a": "b"})])
def test_the_api_server_gets_all_of_it(thing: object) -> None:
    client = ApiClient.__new__(ApiClient)  # only its translation into JSON
    assert client.sanitize_for_serialization(discreet(thing)) == client.sanitize_for_serialization(thing)


def test_what_is_no_environment_is_as_it_was() -> None:
    assert hidden({"env": "production", "items": [{"value": 3}], "data": None}) == {
        "env": "production",
        "items": [{"value": 3}],
        "data": None,
    }

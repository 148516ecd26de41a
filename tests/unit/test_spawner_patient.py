"""Which of an API server's answers pass by themselves, and that nothing else is asked again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import ClientConnectionError
from kubernetes_asyncio.client import ApiException
from streamspace_spawner.patient import PatientRequests, passes, said
from streamspace_spawner.refusals import not_answered


class Requests:
    """Answers to requests, one after the other."""

    k8s_api_request_retry_timeout = 5

    def __init__(self, *answers: Any) -> None:
        self.answers, self.noted = list(answers), []

    def _next(self) -> bool:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return bool(answer)

    async def _make_create_pod_request(self, pod: Any, request_timeout: float) -> bool:
        return self._next()

    async def _ensure_not_exists(self, kind: str, name: str) -> bool:
        return self._next()

    async def _start_reflector(self, kind: str, reflector_class: Any, replace: bool, **kwargs: Any) -> str:
        key = self._get_reflector_key(kind)
        if key in self.reflectors:
            return "one that knows of nothing"
        reflector = self.reflectors[key] = reflector_class()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            reflector.first_load_future.set_exception(answer)
            raise answer
        return str(answer)

    def _get_reflector_key(self, kind: str) -> str:
        return kind


class Reflector:
    """One that has not read anything yet."""

    def __init__(self) -> None:
        self.first_load_future: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Patient(PatientRequests, Requests):
    """What is under test."""

    def __init__(self, *answers: Any) -> None:
        super().__init__(*answers)
        type(self).reflectors = {}

    reflectors: dict[str, Reflector]

    def note_trouble(self, trouble: Exception) -> None:
        self.noted.append(said(trouble))


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_what_passes_by_itself_is_asked_again(status: int) -> None:
    spawner = Patient(ApiException(status, "So"), ClientConnectionError(), True)
    assert [await spawner._make_create_pod_request(None, 1) for _ in range(3)] == [False, False, True]
    assert spawner.noted == [f"HTTP {status} So", "no answer"]
    assert spawner.trouble is None


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422])
async def test_a_refusal_is_not(status: int) -> None:
    assert not passes(ApiException(status))
    with pytest.raises(ApiException):
        await Patient(ApiException(status))._make_create_pod_request(None, 1)


async def test_what_is_to_go_is_asked_for_again_without_telling_the_user() -> None:
    spawner = Patient(ClientConnectionError(), False, True)
    assert [await spawner._ensure_not_exists("secret", "a") for _ in range(3)] == [False, False, True]
    assert spawner.noted == []


async def test_a_reflector_is_begun_anew_until_it_has_read_something() -> None:
    assert await Patient(ApiException(500), OSError(), "all pods")._start_reflector("pods", Reflector) == "all pods"


async def test_a_reflector_that_may_not_read_is_none() -> None:
    spawner = Patient(ApiException(403), "all pods")
    with pytest.raises(ApiException):
        await spawner._start_reflector("pods", Reflector)
    assert await spawner._start_reflector("pods", Reflector) == "all pods", "and the next one is another"


def test_the_user_reads_what_the_api_server_says() -> None:
    error = not_answered("GIMP", said(ApiException(500, "Internal Server Error")))
    assert "did not take GIMP" in str(error)
    assert "HTTP 500 Internal Server Error" in str(error)

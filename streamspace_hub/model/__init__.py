"""The vocabulary that all parts share: pydantic models without I/O. Imports nothing heavy."""

from streamspace_hub.model.app import (
    AppTemplate,
    Category,
    GpuNeed,
    MemorySleep,
    Resources,
    SleepDefaults,
    WindowMode,
)
from streamspace_hub.model.policy import ClipboardDirection, Policy, PolicyDefaults, resolve_policy
from streamspace_hub.model.session import Role, Session, SessionOptions, SessionState

__all__ = [
    "AppTemplate",
    "Category",
    "ClipboardDirection",
    "GpuNeed",
    "MemorySleep",
    "Policy",
    "PolicyDefaults",
    "Resources",
    "Role",
    "Session",
    "SessionOptions",
    "SessionState",
    "SleepDefaults",
    "WindowMode",
    "resolve_policy",
]

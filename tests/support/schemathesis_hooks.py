"""What schemathesis has to be told of the service's document: how texts of our own formats are made."""

from __future__ import annotations

import ipaddress

import schemathesis
from hypothesis import strategies as st

ADDRESSES = st.ip_addresses().map(str)
NETWORKS = st.tuples(st.ip_addresses(), st.integers(0, 32)).map(
    lambda given: str(ipaddress.ip_network((given[0], given[1]), strict=False))
)

schemathesis.openapi.format("ip-network", ADDRESSES | NETWORKS)

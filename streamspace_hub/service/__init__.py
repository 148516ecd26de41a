"""The JupyterHub service: REST API, database, audit log and metrics.

Stateless beside its database: any number of replicas may run side by side, and each may be killed at any time. It acts
with the caller's own token wherever something is started or stopped, so nothing can be done through it that the hub
would refuse; its own token only reads.
"""

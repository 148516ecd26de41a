"""A Kubernetes of one's own for the tests, on a plain Debian machine with nothing but package registries.

A control plane and a kubelet of an exact version, etcd, containerd and an image registry, in network, mount and process
namespaces that end with one process: nothing reaches out, and going down leaves nothing behind.
`python -m tests.kube.cluster up | down | exec COMMAND...`
"""

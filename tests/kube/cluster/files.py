"""The files that the cluster's processes read, and the commands that start them. Starts nothing itself."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from hashlib import sha256
from pathlib import Path

from tests.kube.cluster.pki import Authority
from tests.kube.cluster.settings import (
    API_SERVICE_ADDRESS,
    NODE,
    NODE_ADDRESS,
    PAUSE_IMAGE,
    POD_NETWORK,
    REGISTRY,
    SERVICE_NETWORK,
    STORAGE_CLASS,
    VOLUMES,
    Layout,
)

SERVER = f"https://{NODE_ADDRESS}:6443"
USERS = {
    "admin": ("kubernetes-admin", ("system:masters",)),
    "controller-manager": ("system:kube-controller-manager", ()),
    "scheduler": ("system:kube-scheduler", ()),
    "proxy": ("system:kube-proxy", ()),
    "kubelet": (f"system:node:{NODE}", ("system:nodes",)),
    "coredns": ("coredns", ()),
}
"""The cluster's own users as kubeadm makes them."""


def write_files(layout: Layout) -> None:
    """Write certificates, kubeconfigs and configuration."""
    folder = layout.folder
    pki = Authority(folder / "pki")
    names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
    pki.issue("apiserver", "kube-apiserver", hosts=(*names, API_SERVICE_ADDRESS, NODE_ADDRESS, "127.0.0.1"))
    pki.issue("kubelet-server", NODE, hosts=(NODE, NODE_ADDRESS))
    pki.issue("kubelet-client", "kube-apiserver-kubelet-client", ("system:masters",))
    pki.service_account_key()
    for file, (name, groups) in USERS.items():
        pki.issue(file, name, groups)
        pki.kubeconfig(folder / f"{file}.kubeconfig", SERVER, file)
    (folder / "kubelet.yaml").write_text(json.dumps(_kubelet(layout)))
    (folder / "proxy.yaml").write_text(json.dumps(_proxy(layout)))
    (folder / "containerd.toml").write_text(_containerd(layout))
    (folder / "registry.yaml").write_text(json.dumps(_registry(layout.registry)))
    for name, content in (
        ("cni/10-pods.conflist", json.dumps(_pod_network(layout))),
        ("hosts/_default/hosts.toml", HOSTS),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    for number in range(VOLUMES):
        (layout.volumes / str(number)).mkdir(parents=True)
    (folder / "Corefile").write_text(NAMES.format(folder=folder))
    (folder / "objects.json").write_text(json.dumps(_objects(layout)))


HOSTS = f'server = "http://{REGISTRY}"\n\n[host."http://{REGISTRY}"]\n  capabilities = ["pull", "resolve"]\n'
"""containerd asks our registry whatever registry an image's name says: there is no way to another."""


NAMES = """\
cluster.local:53 {{
  errors
  kubernetes cluster.local {{
    kubeconfig {folder}/coredns.kubeconfig
  }}
}}
"""
"""Names of the cluster, and no others: there is no way out to ask for them."""


def _kubelet(layout: Layout) -> dict[str, object]:
    pki = layout.folder / "pki"
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(pki / "ca.crt")}},
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki / "kubelet-server.crt"),
        "tlsPrivateKeyFile": str(pki / "kubelet-server.key"),
        "address": NODE_ADDRESS,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.name}",
        "failCgroupV1": False,
        "failSwapOn": False,
        # A container without CAP_SYS_RESOURCE may not lower an oom_score_adj.
        "featureGates": {"KubeletInUserNamespace": True},
        "containerRuntimeEndpoint": f"unix://{layout.folder}/containerd.sock",
        "podLogsDir": str(layout.folder / "pods"),
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "resolvConf": "",
        "clusterDNS": [NODE_ADDRESS],
        "clusterDomain": "cluster.local",
        "makeIPTablesUtilChains": True,
    }


def _proxy(layout: Layout) -> dict[str, object]:
    nothing = {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(layout.folder / "proxy.kubeconfig")},
        "clusterCIDR": POD_NETWORK,
        "hostnameOverride": NODE,
        "mode": "iptables",
        "conntrack": {**nothing, "udpTimeout": "0s", "udpStreamTimeout": "0s"},
    }


def _containerd(layout: Layout) -> str:
    folder = layout.folder
    return f"""\
version = 2
root = "{folder}/containerd"
state = "{folder}/containerd-state"
[grpc]
  address = "{folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{folder}/hosts"
"""


def _registry(storage: Path) -> dict[str, object]:
    return {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(storage)}, "delete": {"enabled": True}},
        "http": {"addr": REGISTRY},
    }


def _pod_network(layout: Layout) -> dict[str, object]:
    bridge = {
        "type": "bridge",
        "bridge": "pods0",
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": POD_NETWORK}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": str(layout.folder / "addresses"),
        },
    }
    plugins = [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}]
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": plugins}


def _storage(layout: Layout) -> list[dict[str, object]]:
    """Return a storage class and its volumes: folders of the node, since no provisioner is at hand."""
    on_node = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}]}
    volumes = [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"volume-{number}"},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "capacity": {"storage": "10Gi"},
                "storageClassName": STORAGE_CLASS,
                "persistentVolumeReclaimPolicy": "Retain",
                "local": {"path": str(layout.volumes / str(number))},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [on_node]}},
            },
        }
        for number in range(VOLUMES)
    ]
    storage_class = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    return [storage_class, *volumes]


def _objects(layout: Layout) -> dict[str, object]:
    """Return what the cluster begins with."""
    kind = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "system:coredns"}}
    read = {"verbs": ["list", "watch"]}
    role = {
        **kind,
        "kind": "ClusterRole",
        "rules": [
            {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], **read},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], **read},
        ],
    }
    group = "rbac.authorization.k8s.io"
    binding = {
        **kind,
        "kind": "ClusterRoleBinding",
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "system:coredns"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "coredns"}],
    }
    return {"apiVersion": "v1", "kind": "List", "items": [role, binding, *_storage(layout)]}


def commands(layout: Layout, kubernetes: Path, etcd: Path, coredns: Path) -> dict[str, list[str]]:
    """Return the command of each of the cluster's processes, in the order in which they start."""
    folder, pki = layout.folder, layout.folder / "pki"

    def as_user(file: str) -> list[str]:
        config = f"{folder}/{file}.kubeconfig"
        # The last two only spare a look-up that the first would answer too.
        return [
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
        ]

    return {
        "registry": ["docker-registry", "serve", f"{folder}/registry.yaml"],
        "containerd": ["containerd", f"--config={folder}/containerd.toml"],
        # Without fsync: it keeps nothing that anybody would miss.
        "etcd": [str(etcd), f"--data-dir={folder}/etcd", "--unsafe-no-fsync", "--log-level=warn"],
        "apiserver": [
            f"{kubernetes}/kube-apiserver",
            "--etcd-servers=http://127.0.0.1:2379",
            f"--advertise-address={NODE_ADDRESS}",
            f"--service-cluster-ip-range={SERVICE_NETWORK}",
            f"--client-ca-file={pki}/ca.crt",
            f"--tls-cert-file={pki}/apiserver.crt",
            f"--tls-private-key-file={pki}/apiserver.key",
            f"--kubelet-certificate-authority={pki}/ca.crt",
            f"--kubelet-client-certificate={pki}/kubelet-client.crt",
            f"--kubelet-client-key={pki}/kubelet-client.key",
            # It asks for logs by address: there is no DNS for the node's name.
            "--kubelet-preferred-address-types=InternalIP,Hostname",
            f"--service-account-key-file={pki}/sa.pub",
            f"--service-account-signing-key-file={pki}/sa.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
        ],
        "controller-manager": [
            f"{kubernetes}/kube-controller-manager",
            *as_user("controller-manager"),
            f"--root-ca-file={pki}/ca.crt",
            f"--service-account-private-key-file={pki}/sa.key",
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
        ],
        "scheduler": [
            f"{kubernetes}/kube-scheduler",
            *as_user("scheduler"),
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            "--kube-api-qps=1000",
            "--kube-api-burst=2000",
        ],
        "kubelet": [
            f"{kubernetes}/kubelet",
            f"--config={folder}/kubelet.yaml",
            f"--kubeconfig={folder}/kubelet.kubeconfig",
            f"--hostname-override={NODE}",
            f"--node-ip={NODE_ADDRESS}",
        ],
        "proxy": [f"{kubernetes}/kube-proxy", f"--config={folder}/proxy.yaml"],
        "coredns": [str(coredns), "-conf", f"{folder}/Corefile"],
        "policies": [sys.executable, "-m", "tests.kube.cluster.enforcer", str(layout.kubeconfig)],
    }


def pause_archive(program: Path) -> bytes:
    """Return the image that holds a pod's namespaces, as `docker save` would write it: one layer with `program`."""
    layer = _tar({"pause": (program.read_bytes(), 0o755)})
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [PAUSE_IMAGE], "Layers": ["layer.tar"]}]
    return _tar(
        {
            "config.json": (json.dumps(config).encode(), 0o644),
            "layer.tar": (layer, 0o644),
            "manifest.json": (json.dumps(manifest).encode(), 0o644),
        }
    )


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()

"""`streamspace doctor --cluster`: a Kubernetes, and Zero-to-JupyterHub on it, before and after StreamSpace is added.

Asks by kubectl and changes nothing. What a hub's values say is `doctor_z2jh`'s matter.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence

from streamspace_hub.cli.check import Check
from streamspace_hub.cli.doctor_z2jh import (
    Hub,
    check_gpus,
    check_homes,
    check_installation,
    check_turn,
    kept_from_metadata_by_iptables,
)
from streamspace_hub.cli.kubectl import Kubectl, KubectlError, NoSuchError, NotAllowedError, Object

OLDEST = (1, 28)
"""As `kubeVersion` of the companion chart."""
HUB_LABELS = "app=jupyterhub,component=hub"
HUB_VERBS = {
    **dict.fromkeys(
        ("pods", "persistentvolumeclaims", "secrets", "services"), ("get", "watch", "list", "create", "delete")
    ),
    "events": ("get", "watch", "list"),
}
"""What the hub asks of the API server, all in the namespace: what Zero-to-JupyterHub's Role gives."""
ENFORCING = {
    "calico-node": "Calico",
    "canal": "Canal",
    "cilium": "Cilium",
    "kube-router": "kube-router",
    "weave-net": "Weave Net",
    "antrea-agent": "Antrea",
    "kube-network-policies": "kube-network-policies",
    "anetd": "GKE Dataplane V2",
    "ovnkube-node": "OVN-Kubernetes",
    "azure-npm": "Azure NPM",
}
"""DaemonSets of network plugins that enforce policies."""
IN_THE_HUB = """
import json, sys, urllib.error, urllib.request
from importlib.metadata import PackageNotFoundError, version
found = {}
for package in ("jupyterhub", "jupyterhub-kubespawner", "streamspace-hub"):
    try:
        found[package] = version(package)
    except PackageNotFoundError:
        found[package] = None
try:
    found["service"] = urllib.request.urlopen(sys.argv[1], timeout=10).status
except urllib.error.HTTPError as error:
    found["service"] = error.code
except OSError as error:
    found["service"] = str(getattr(error, "reason", error))
print(json.dumps(found))
"""
"""Which packages the hub's image has, and whether the companion chart's service answers from there."""


def check_cluster(kubectl: Kubectl) -> list[Check]:
    """Look at everything."""
    try:
        answer = json.loads(kubectl("version", "--output=json"))
        server = str(answer["serverVersion"]["gitVersion"])
    except (KubectlError, KeyError, ValueError) as error:
        advice = "Give it a kubeconfig that works (KUBECONFIG, --context): `kubectl version` must show a server."
        if shutil.which("kubectl") is None:
            advice = "Install it: https://kubernetes.io/docs/tasks/tools/"
        return [Check("Kubernetes", "red", f"no answer: {error}", advice)]
    return [read_version(server), *_rest(kubectl)]


def _rest(kubectl: Kubectl) -> Iterator[Check]:
    try:
        deployments = kubectl.find("deployments", f"--selector={HUB_LABELS}")
        hub = _hub_of(kubectl, deployments)
    except KubectlError as error:
        advice = "Ask as somebody who may read Deployments and Secrets of the hub's namespace."
        yield Check("hub", "red", f"it cannot be looked at: {error}", advice)
        return
    yield read_hub(deployments, hub)
    if hub is not None:
        yield _permissions(kubectl, hub)
    yield _admission(kubectl, hub)
    yield from _policies(kubectl, hub)
    yield from _volumes(kubectl, hub)
    yield _gpus(kubectl, hub)
    if hub is not None:
        yield from _streamspace(kubectl, hub)


def read_version(text: str) -> Check:
    """Read the API server's version, e.g. `v1.34.4+k3s1`."""
    numbers = tuple(int(part) for part in text.lstrip("v").split(".")[:2] if part.isdecimal())
    if numbers < OLDEST:
        return Check("Kubernetes", "red", text, "Use Kubernetes {}.{} or later.".format(*OLDEST))
    return Check("Kubernetes", "green", text)


# --- the hub -------------------------------------------------------------------------------------------------------


def _hub_of(kubectl: Kubectl, deployments: Sequence[Object]) -> Hub | None:
    if len(deployments) != 1:
        return None
    spec = deployments[0]["spec"]["template"]["spec"]
    secrets = [
        volume["secret"]["secretName"]
        for name in ("secret", "existing-secret")
        for volume in spec.get("volumes") or []
        if volume["name"] == name and "secret" in volume
    ]
    return Hub.read(deployments[0], [kubectl.get("secret", name) for name in secrets])


def read_hub(deployments: Sequence[Object], hub: Hub | None) -> Check:
    """Say which hub there is."""
    if hub is None and deployments:
        names = ", ".join(one["metadata"]["name"] for one in deployments)
        return Check("hub", "red", f"there are {len(deployments)}: {names}", "Give each hub a namespace of its own.")
    if hub is None:
        found = f"no Deployment with the labels {HUB_LABELS}"
        advice = "Name the namespace of Zero-to-JupyterHub with --namespace, or install it first."
        return Check("hub", "grey", found, advice)
    ready = deployments[0].get("status", {}).get("readyReplicas", 0)
    chart = f"Zero-to-JupyterHub {hub.chart}" if hub.chart else "no chart's values"
    if not ready:
        advice = f"See why: kubectl describe deployment {hub.name}, kubectl logs deployment/{hub.name}."
        return Check("hub", "red", f"{chart}; {hub.name} is not ready", advice)
    if hub.chart and not hub.chart.startswith("4."):
        return Check("hub", "red", chart, "The overlays are for Zero-to-JupyterHub 4.2 to 4.4: upgrade it first.")
    return Check("hub", "green", f"{chart}; {hub.name} is ready")


def _permissions(kubectl: Kubectl, hub: Hub) -> Check:
    account = f"system:serviceaccount:{hub.namespace}:{hub.service_account}"
    wanted = [(resource, verb) for resource, verbs in HUB_VERBS.items() for verb in verbs]
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{hub.namespace}", "system:authenticated"]
    reviews: list[Object] = [
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "LocalSubjectAccessReview",
            "metadata": {"namespace": hub.namespace},
            "spec": {
                "user": account,
                "groups": groups,
                "resourceAttributes": {"namespace": hub.namespace, "resource": resource, "verb": verb},
            },
        }
        for resource, verb in wanted
    ]
    try:
        answers = kubectl.review(reviews)
    except KubectlError as error:
        return Check("permissions", "grey", f"the API server does not tell what {account} may do: {error}")
    refused = [one for one, answer in zip(wanted, answers, strict=True) if not answer["status"]["allowed"]]
    return read_permissions(hub.service_account, refused)


def read_permissions(account: str, refused: Sequence[tuple[str, str]]) -> Check:
    """Say what the hub's service account lacks; `refused` holds resource and verb."""
    if not refused:
        return Check("permissions", "green", f"the service account {account} may do what the hub does")
    lacking: dict[str, list[str]] = {}
    for resource, verb in refused:
        lacking.setdefault(resource, []).append(verb)
    found = "; ".join(f"{', '.join(verbs)} {resource}" for resource, verbs in lacking.items())
    advice = (
        "Let the chart make its Role (`rbac.create: true`), or give the account a Role with what "
        "docs/reference/spawner-kubernetes.md lists."
    )
    return Check("permissions", "red", f"the service account {account} may not {found}", advice)


# --- what a session's pod needs ------------------------------------------------------------------------------------


def session_pod(*, iptables: bool) -> Object:
    """Return a pod that asks of admission what a session's does; `iptables`: with the chart's init container."""
    container = {
        "image": "streamspace.invalid/session:none",
        "securityContext": {
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
    }
    root = {"privileged": True, "runAsUser": 0, "capabilities": {"add": ["NET_ADMIN"]}}
    blocking = {"name": "block-cloud-metadata", "image": "streamspace.invalid/tools:none", "securityContext": root}
    users = {"notebook": 1001, "desktop": 1000}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "streamspace-doctor-",
            "labels": {"app": "jupyterhub", "component": "singleuser-server"},
        },
        "spec": {
            "automountServiceAccountToken": False,
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}, "fsGroup": 100},
            "initContainers": [{**blocking, "resources": container["resources"]}] if iptables else [],
            "containers": [
                {
                    **container,
                    "name": name,
                    "securityContext": {**container["securityContext"], "runAsUser": user, "runAsGroup": 100},  # type: ignore[dict-item]
                }
                for name, user in users.items()
            ],
            "volumes": [{"name": "sockets", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}}],
        },
    }


def _admission(kubectl: Kubectl, hub: Hub | None) -> Check:
    level = _pod_security(kubectl)
    iptables = hub is not None and kept_from_metadata_by_iptables(hub.values)
    try:
        kubectl.try_to_create(session_pod(iptables=iptables))
    except KubectlError as error:
        return read_refusal(str(error), level, iptables=iptables)
    return Check("session pods", "green", f"the API server takes them ({level})")


def _pod_security(kubectl: Kubectl) -> str:
    try:
        own = kubectl("config", "view", "--minify", "--output=jsonpath={..namespace}").strip()
        labels = kubectl.get("namespace", kubectl.namespace or own or "default")["metadata"].get("labels") or {}
    except KubectlError:
        return "Pod Security of the namespace not seen"
    return f"Pod Security {labels.get('pod-security.kubernetes.io/enforce', 'not enforced')}"


def read_refusal(said: str, level: str, *, iptables: bool) -> Check:
    """Say what to do about a session's pod that the API server does not take."""
    found = f"the API server refuses them ({level}): {said}"
    if "violates PodSecurity" in said:
        advice = "Something beside StreamSpace adds to pods what this level forbids: an admission webhook, or a policy."
        if iptables:
            advice = (
                "The chart adds an init container that blocks cloud metadata by iptables: add "
                "helm-values/network.yaml, whose policy keeps sessions from that address as well."
            )
    elif "exceeded quota" in said or "failed quota" in said:
        advice = "Raise the ResourceQuota of the namespace: a session takes what its app's template says."
    elif "(Forbidden)" in said and 'cannot create resource "pods"' in said:
        return Check("session pods", "grey", f"not tried: {said}", "Ask as somebody who may create pods there.")
    else:
        advice = "Change what refuses it, for pods with the label component=singleuser-server."
    return Check("session pods", "red", found, advice)


def _policies(kubectl: Kubectl, hub: Hub | None) -> Iterator[Check]:
    if hub is not None:
        try:
            policies = kubectl.find("networkpolicies")
        except KubectlError as error:
            yield Check("network policy", "grey", f"not seen: {error}")
        else:
            yield read_policies(policies)
    try:
        names = [one["metadata"]["name"] for one in kubectl.find("daemonsets", "--all-namespaces")]
    except KubectlError:
        yield Check("network plugin", "grey", "not seen; whether it enforces policies, its documentation says")
    else:
        yield read_plugin(names)


def read_policies(policies: Sequence[Object]) -> Check:
    """Say whether a policy keeps sessions apart: one for incoming connections that selects their pods."""
    session = {"app": "jupyterhub", "component": "singleuser-server"}
    for policy in policies:
        spec = policy["spec"]
        selected = spec.get("podSelector") or {}
        labels = selected.get("matchLabels") or {}
        ours = all(session.get(key, value if key == "release" else None) == value for key, value in labels.items())
        if ours and not selected.get("matchExpressions") and "Ingress" in (spec.get("policyTypes") or ["Ingress"]):
            return Check("network policy", "green", f"{policy['metadata']['name']} says who reaches sessions")
    advice = (
        "Turn the chart's on (`singleuser.networkPolicy.enabled`), or apply docs/how-to/session-network-policy.yaml."
    )
    return Check("network policy", "red", "none for sessions: they reach each other", advice)


def read_plugin(daemonsets: Sequence[str]) -> Check:
    """Say which network plugin enforces policies, by the names of the cluster's DaemonSets."""
    known = [title for name, title in ENFORCING.items() if name in daemonsets]
    if known:
        return Check("network plugin", "green", f"{known[0]}, which enforces policies")
    found = "none that is known to enforce policies was seen"
    return Check("network plugin", "grey", found, "Without enforcement sessions reach each other: see that it does.")


def _volumes(kubectl: Kubectl, hub: Hub | None) -> Iterator[Check]:
    try:
        classes = kubectl.find("storageclasses")
        nodes = len(kubectl.find("nodes"))
    except KubectlError as error:
        yield Check("homes", "grey", f"storage classes and nodes are not seen: {error}")
        return
    yield from check_homes(hub, classes, nodes)


def _gpus(kubectl: Kubectl, hub: Hub | None) -> Check:
    try:
        nodes = kubectl.find("nodes")
    except NotAllowedError:
        return Check("GPUs", "grey", "nodes are not seen, and so not what they offer")
    except KubectlError as error:
        return Check("GPUs", "grey", f"nodes are not seen: {error}")
    return check_gpus(hub, [node["status"].get("allocatable") or {} for node in nodes])


# --- StreamSpace itself --------------------------------------------------------------------------------------------


def _streamspace(kubectl: Kubectl, hub: Hub) -> Iterator[Check]:
    yield from check_installation(hub)
    yield from check_turn(hub)
    companion = _companion(kubectl)
    url = f"http://streamspace:10202{hub.base_url}services/streamspace/api/v1/health"
    try:
        said = kubectl("exec", f"deployment/{hub.name}", "--container=hub", "--", "python3", "-c", IN_THE_HUB, url)
        inside = json.loads(said)
    except (KubectlError, ValueError) as error:
        yield Check("hub image", "grey", f"not looked into: {error}", "Ask as somebody who may run commands in pods.")
        if companion is not None:
            yield companion
        return
    yield read_image(hub, inside)
    if companion is not None:
        yield read_service(companion, inside["service"])


def read_image(hub: Hub, inside: Object) -> Check:
    """Say what the hub's image has in it; `inside` holds versions by package, None for one that it lacks."""
    text = f"JupyterHub {inside['jupyterhub']}, KubeSpawner {inside['jupyterhub-kubespawner']}"
    ours = inside["streamspace-hub"]
    if ours is None:
        advice = "Build images/hub and name it in hub.image (docs/how-to/kubernetes.md)."
        return Check("hub image", "red" if hub.turned_on else "grey", f"{text}, and no StreamSpace", advice)
    return Check("hub image", "green", f"{text}, StreamSpace {ours}")


def _companion(kubectl: Kubectl) -> Check | None:
    """Look at the companion chart's service; None: it is not installed."""
    try:
        deployment = kubectl.get("deployment", "streamspace")
    except NoSuchError:
        return None
    except KubectlError as error:
        return Check("service", "grey", f"not seen: {error}")
    wanted, ready = deployment["spec"].get("replicas", 1), deployment.get("status", {}).get("readyReplicas", 0)
    if ready < wanted:
        advice = "See why: kubectl describe pods --selector=app.kubernetes.io/name=streamspace, and their logs."
        return Check("service", "red", f"{ready} of {wanted} replicas are ready", advice)
    return Check("service", "green", f"{ready} of {wanted} replicas are ready")


def read_service(companion: Check, answer: int | str) -> Check:
    """Say whether the hub reaches the service; `answer`: an HTTP status, or why there is none."""
    if companion.status != "green":
        return companion
    if answer == 200:
        return Check("service", "green", f"{companion.found}; the hub reaches it")
    if isinstance(answer, int):
        advice = "It does not reach its database or the hub: kubectl logs deployment/streamspace."
        return Check("service", "red", f"{companion.found}; it answers {answer}", advice)
    advice = (
        "The chart's NetworkPolicy lets pods with app=jupyterhub in its own namespace through: install it in the hub's "
        "namespace, and see that nothing else keeps the hub from port 10202."
    )
    return Check("service", "red", f"{companion.found}; the hub does not reach it: {answer}", advice)

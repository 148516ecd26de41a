"""Arguments in, one call of the SDK, an answer out. What the commands mean is the SDK's matter."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from streamspace_hub import __version__
from streamspace_hub.cli import doctor as doctor_checks
from streamspace_hub.cli.completing import app_names, session_names
from streamspace_hub.cli.images import images
from streamspace_hub.cli.limits import limit_row
from streamspace_hub.cli.output import Exit, complain, printable, say, show_json, show_table, starting, working
from streamspace_hub.cli.registering import command
from streamspace_hub.client import Client, NotConfiguredError, find_place
from streamspace_hub.model import SessionState
from streamspace_hub.model.api import SessionShares, ShareRole, UserSession

app = typer.Typer(
    name="streamspace",
    help="Streamed desktop apps for JupyterHub.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
audit = typer.Typer(help="The audit log, for administrators.", no_args_is_help=True)
app.add_typer(audit, name="audit")
app.add_typer(images, name="images")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
User = Annotated[str | None, typer.Option("--user", help="Whose session; yours without it.")]
Name = Annotated[
    str, typer.Argument(help="Name of the session, as `streamspace list` shows it.", autocompletion=session_names)
]


def run(arguments: Sequence[str]) -> int:
    """Run a command line; return its exit status. No traceback reaches the user for what may go wrong."""
    try:
        app(list(arguments), prog_name="streamspace")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(Exit.OK)
    return int(Exit.OK)


@command(app, "apps")
def list_apps(
    search: Annotated[str | None, typer.Option(help="Only apps with this text.")] = None,
    catalog_dir: Annotated[list[Path] | None, typer.Option(help="A folder of templates (repeatable).")] = None,
    local: Annotated[bool, typer.Option("--local", help="This machine's catalog, and its mistakes.")] = False,
    as_json: AsJson = False,
) -> int:
    """List the apps that can be launched."""
    if local or catalog_dir or not _configured():
        return _local_apps(catalog_dir or [], as_json)
    with Client() as client:
        apps = client.apps(search=search)
    if as_json:
        show_json({"apps": [one.model_dump(mode="json") for one in apps]})
    else:
        rows = [(one.name, one.title, one.categories[0], one.description) for one in apps]
        show_table(("name", "title", "section", "description"), rows, "No app matches.")
    return Exit.OK


@command(app)
def launch(  # noqa: PLR0913, PLR0917 - the options of a command
    app_name: Annotated[
        str,
        typer.Argument(
            metavar="APP", help="Name of the app, as `streamspace apps` shows it.", autocompletion=app_names
        ),
    ],
    name: Annotated[str | None, typer.Option(help="Name of the session; the app's without it.")] = None,
    user: User = None,
    file: Annotated[str | None, typer.Option("--open", help="File to open, relative to your home.")] = None,
    wait: Annotated[int, typer.Option(min=0, help="Seconds to wait until it runs; 0 does not wait.")] = 300,
    queue: Annotated[bool, typer.Option("--queue", help="Take a place in the queue if a quota has no room.")] = False,
    as_json: AsJson = False,
) -> int:
    """Start a session, or find it running, and print its address."""
    with Client() as client:
        try:
            with starting(f"Starting {app_name} ...") as on_step:
                session = client.launch(
                    app_name, name=name, user=user, open=file, queue=queue, wait=wait or None, on_step=on_step
                )
        except ValidationError as error:
            field = str(error.errors()[0]["loc"][0])
            raise typer.BadParameter(f"{error.errors()[0]['input']!r} can't be used", param_hint=field) from None
        _show(session, client.place.page(session.url), as_json)
    return Exit.OK


@command(app, "list")
def list_sessions(
    user: User = None,
    state: Annotated[SessionState | None, typer.Option(help="Only sessions in this state.")] = None,
    search: Annotated[str | None, typer.Option(help="Only sessions with this text.")] = None,
    shared: Annotated[bool, typer.Option("--shared", help="Those that others share with you, or your groups.")] = False,
    as_json: AsJson = False,
) -> int:
    """List the sessions that you may see."""
    if shared:
        if state is not None or search is not None:
            raise typer.BadParameter("can't be used together with --state or --search", param_hint="--shared")
        return _list_shared(user, as_json)
    with Client() as client:
        sessions = list(client.sessions(user=user, state=state, search=search))
    if as_json:
        show_json({"sessions": [one.model_dump(mode="json") for one in sessions]})
    else:
        rows = [(one.name or "(default)", one.user, one.app, str(one.state), one.started or "") for one in sessions]
        show_table(
            ("name", "user", "app", "state", "started"), rows, "No sessions: `streamspace launch APP` starts one."
        )
    return Exit.OK


def _list_shared(user: str | None, as_json: bool) -> int:
    with Client() as client:
        sessions = list(client.shared(user=user))
    if as_json:
        show_json({"sessions": [one.model_dump(mode="json") for one in sessions]})
    else:
        rows = [
            (one.name or "(default)", one.user, one.app, str(one.state), one.role, " ".join(one.groups))
            for one in sessions
        ]
        show_table(("name", "user", "app", "state", "role", "groups"), rows, "Nobody shares a session with you.")
    return Exit.OK


@command(app)
def quota(user: User = None, as_json: AsJson = False) -> int:
    """Show your limits, whose they are, and how much of each is in use."""
    with Client() as client:
        found = client.quota(user=user)
    if as_json:
        show_json(found.model_dump(mode="json"))
    else:
        rows = [limit_row(one) for one in found.limits]
        show_table(("limit", "used", "of", "set by", "free again"), rows, "There are no limits.")
    return Exit.OK


@command(app, "open")
def open_session(
    name: Name,
    user: User = None,
    print_only: Annotated[bool, typer.Option("--print", help="Print the address, and open nothing.")] = False,
) -> int:
    """Open a running session in a browser."""
    with Client() as client:
        session = client.session(name, user=user)
        if session.state not in (SessionState.RUNNING, SessionState.FROZEN):
            complain(f"{name} is {session.state}; `streamspace launch {session.app}` starts it.")
            return Exit.FAILED
        address = client.place.page(session.url)
    say(address)
    if not print_only and typer.launch(address) != 0:
        complain("No browser could be opened here; open the address above.")
    return Exit.OK


@command(app)
def stop(
    name: Name,
    user: User = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take it off the list too.")] = False,
    as_json: AsJson = False,
) -> int:
    """Stop a session. Its files stay; what was not saved is lost."""
    with Client() as client, working(f"Stopping {name} ..."):
        session = client.stop(name, user=user)
        if remove:
            client.remove(name, user=user)
    if as_json:
        show_json(session.model_dump(mode="json"))
    else:
        say(f"{name} is {'removed' if remove else session.state}.")
    return Exit.OK


@command(app)
def freeze(name: Name, user: User = None, as_json: AsJson = False) -> int:
    """Stop a session's processes. They keep their memory, and go on with the next input, or viewer."""
    with Client() as client:
        return _tell_state(client.freeze(name, user=user), as_json)


@command(app)
def hibernate(name: Name, user: User = None, as_json: AsJson = False) -> int:
    """Put a session to sleep with its memory, and free the machine; `resume` brings it back as it was."""
    with Client() as client, working(f"Putting {name} to sleep ..."):
        session = client.hibernate(name, user=user)
    return _tell_state(session, as_json)


@command(app)
def resume(
    name: Name,
    user: User = None,
    wait: Annotated[int, typer.Option(min=0, help="Seconds to wait until it runs; 0 does not wait.")] = 300,
    as_json: AsJson = False,
) -> int:
    """Wake a session: a frozen one goes on, one that sleeps comes back as it was, one that has ended starts again."""
    with Client() as client, starting(f"Waking {name} ...") as on_step:
        session = client.resume(name, user=user, wait=wait or None, on_step=on_step)
    return _tell_state(session, as_json)


@command(app)
def extend(
    name: Name,
    seconds: Annotated[int, typer.Argument(min=0, help="For how long from now on; 0 ends it.")],
    user: User = None,
    as_json: AsJson = False,
) -> int:
    """Keep a session awake for a while, as far as its policy allows."""
    with Client() as client:
        return _tell_state(client.extend(name, seconds, user=user), as_json)


@command(app)
def logs(
    session: Annotated[
        str,
        typer.Argument(metavar="[USER/]NAME", help="Whose session, and its name.", autocompletion=session_names),
    ],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until it ends.")] = False,
    lines: Annotated[int, typer.Option(min=0, max=1000, help="Of each part, the last ones.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object for each line.")] = False,
) -> int:
    """Show what the parts of a running session have logged."""
    user, _, name = session.rpartition("/")
    with Client() as client:
        for line in client.logs(name, user=user or None, lines=lines, follow=follow):
            if as_json:
                sys.stdout.write(line.model_dump_json() + "\n")
            else:
                say(f"{line.part:<8} | {printable(line.text)}")
            sys.stdout.flush()
    return Exit.OK


@command(app)
def share(  # noqa: PLR0913, PLR0917 - the options of a command
    name: Name,
    whom: Annotated[str, typer.Argument(help="A user, or with --group a group.")],
    role: Annotated[ShareRole, typer.Option(help="`viewer` looks on, `controller` uses mouse and keyboard too.")] = (
        "viewer"
    ),
    group: Annotated[bool, typer.Option("--group", help="With all members of a group.")] = False,
    user: User = None,
    as_json: AsJson = False,
) -> int:
    """Share a session, or change what somebody is in it, and show with whom it is shared."""
    with Client() as client:
        return _show_shares(client.share(name, whom, role, group=group, user=user), as_json)


@command(app)
def unshare(
    name: Name,
    whom: Annotated[str, typer.Argument(help="A user, or with --group a group.")],
    group: Annotated[bool, typer.Option("--group", help="It was shared with a group.")] = False,
    user: User = None,
    as_json: AsJson = False,
) -> int:
    """Take a share back, and show with whom the session is still shared."""
    with Client() as client:
        return _show_shares(client.unshare(name, whom, group=group, user=user), as_json)


@command(app)
def doctor(
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Check a Kubernetes and the hub on it, by kubectl.")
    ] = False,
    namespace: Annotated[str, typer.Option(help="With --cluster: the hub's; the context's without it.")] = "",
    context: Annotated[str, typer.Option(help="With --cluster: which of the kubeconfig's.")] = "",
    as_json: AsJson = False,
) -> int:
    """Check the hub, its service, your rights and this machine, and say what to do about each red line."""
    if cluster:
        from streamspace_hub.cli.doctor_cluster import check_cluster  # keeps `version` quick
        from streamspace_hub.cli.kubectl import Kubectl

        checks = check_cluster(Kubectl(namespace, context))
    elif namespace or context:
        raise typer.BadParameter("--namespace and --context are for --cluster")
    else:
        checks = doctor_checks.check_all()
    if as_json:
        show_json({"checks": [check.as_dict() for check in checks]})
    else:
        for check in checks:
            found = printable(check.found)
            say(f"{check.mark} {check.name}: {found}" + (f"\n      {check.advice}" if check.advice else ""))
    return Exit.FAILED if any(check.status == "red" for check in checks) else Exit.OK


@command(audit, "verify")
def verify_audit(
    file: Annotated[Path | None, typer.Argument(help="A copy of the log; the hub's own without it.")] = None,
    as_json: AsJson = False,
) -> int:
    """Check that no line of the audit log was changed, removed or put in."""
    if file is None:
        with Client() as client:
            verdict = client.verify_audit()
    else:
        from streamspace_hub.model.chain import check_lines

        try:
            with file.open(encoding="utf-8") as lines:
                verdict = check_lines(lines)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no copy of an audit log"
            raise typer.BadParameter(f"{file} can't be checked: {reason}", param_hint="FILE") from None
    if as_json:
        show_json(verdict.model_dump(mode="json"))
    else:
        say(f"{verdict.checked} lines are intact." if verdict.intact else f"NOT INTACT: {verdict.problem}")
    return Exit.OK if verdict.intact else Exit.FAILED


@command(audit, "export")
def export_audit() -> int:
    """Print the whole audit log, one JSON object for each line."""
    with Client() as client:
        for line in client.audit_lines():
            sys.stdout.write(line + "\n")
    return Exit.OK


@command(app)
def demo() -> int:
    """Run a hub with desktop apps on this machine, in the foreground."""
    from streamspace_hub.demo.run import DemoError, run_demo  # keeps the other commands quick

    try:
        return run_demo()
    except DemoError as problem:
        complain(str(problem))
        return Exit.FAILED


@command(app)
def version(as_json: AsJson = False) -> int:
    """Print the version."""
    if as_json:
        show_json({"version": __version__})
    else:
        say(__version__)
    return Exit.OK


def _configured() -> bool:
    try:
        find_place()
    except NotConfiguredError:
        return False
    return True


def _local_apps(folders: list[Path], as_json: bool) -> int:
    from streamspace_hub.catalog import load_catalog  # keeps `version` quick
    from streamspace_hub.catalog.installed import is_installed

    catalog = load_catalog(folders)
    problems = [str(problem) for problem in catalog.problems]
    found: list[dict[str, Any]] = [
        {
            "name": name,
            "title": entry.template.title,
            "installed": is_installed(entry.template),
            "packages": entry.template.packages,
            "source": str(entry.source),
        }
        for name, entry in sorted(catalog.apps.items())
    ]
    if as_json:
        show_json({"apps": found, "problems": problems})
    else:
        rows = [(str(one["name"]), str(one["title"]), _installed(one)) for one in found]
        show_table(("name", "title", "installed"), rows, "The catalog is empty.")
        for line in problems:
            complain(line)
    return Exit.FAILED if problems else Exit.OK


def _installed(app: dict[str, Any]) -> str:
    return "yes" if app["installed"] else "apt-get install " + " ".join(app["packages"])


def _tell_state(session: UserSession, as_json: bool) -> int:
    if as_json:
        show_json(session.model_dump(mode="json"))
    else:
        say(f"{session.name or session.title} is {session.state}.")
    return Exit.OK


def _show_shares(found: SessionShares, as_json: bool) -> int:
    if as_json:
        show_json(found.model_dump(mode="json"))
    else:
        rows = [(one.name, one.kind, one.role) for one in found.shares]
        show_table(("name", "kind", "role"), rows, "It is shared with nobody.")
    return Exit.OK


def _show(session: UserSession, address: str, as_json: bool) -> None:
    if as_json:
        show_json({**session.model_dump(mode="json"), "address": address})
    else:
        say(f"{session.title} is {session.state}: {address}")

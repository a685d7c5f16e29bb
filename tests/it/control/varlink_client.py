"""Talks to the daemon with the stock Varlink client: lists, calls, streams and introspects.

Usage: varlink_client.py SOCKET. Ends with 77 where the package `varlink` is missing.
"""

import sys

try:
    import varlink
except ImportError:
    print("the Python package varlink is not installed")
    sys.exit(77)

INTERFACE = "io.jobctl.Scheduler"


def introspect(client):
    with client.open("org.varlink.service") as service:
        info = service.GetInfo()
        assert info["vendor"] == "jobctl" and INTERFACE in info["interfaces"], info
        description = service.GetInterfaceDescription(INTERFACE)["description"]
    interface = varlink.Interface(description)
    assert interface.name == INTERFACE
    for method in ["List", "Add", "RunNow", "Wait", "Events", "Undo"]:
        assert interface.get_method(method), method


def call(scheduler):
    added = scheduler.Add(name="stock", toml='command = "exit 3"\nevery = "1h"\ntags = ["v"]\n')
    assert added["job"]["trigger"]["kind"] == "every", added
    jobs = scheduler.List(selector={"tags": ["v"]})["jobs"]
    assert [job["name"] for job in jobs] == ["stock"], jobs
    [run] = scheduler.RunNow(selector={"names": ["stock"]})["runs"]
    ended = scheduler.Wait(run_id=run["run_id"])["run"]
    assert (ended["status"], ended["exit_code"]) == ("failed", 3), ended


def be_refused(scheduler):
    try:
        scheduler.Show(name="stok")
    except varlink.VarlinkError as error:
        assert error.error() == INTERFACE + ".NoSuchJob", error
        assert error.parameters()["suggestion"] == "stock", error
    else:
        raise AssertionError("there is no such job")


def stream(scheduler):
    names = []
    for batch in scheduler.Events(after=0, selector={"names": ["stock"]}, _more=True):
        names += [event["event"] for event in batch["events"]]
        if "run.failed" in names:
            break
    assert names == ["job.added", "run.queued", "run.started", "run.failed"], names


def main():
    client = varlink.Client("unix:" + sys.argv[1])
    introspect(client)
    with client.open(INTERFACE) as scheduler:
        call(scheduler)
        be_refused(scheduler)
    with client.open(INTERFACE) as scheduler:
        stream(scheduler)


main()

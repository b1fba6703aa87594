"""Jobs from both sides with boto3: what an operator's script does, and what a device over HTTPS does."""

import json

from service import client, equal, refused, until

iot = client("iot")
device = client("iot-jobs-data")

COUNTERS = ["Canceled", "Succeeded", "Failed", "Rejected", "Queued", "InProgress", "Removed", "TimedOut"]


def thing(name):
    return iot.create_thing(thingName=name)["thingArn"]


def create(job, targets, **more):
    document = json.dumps({"operation": "reboot", "delay": 5})
    return iot.create_job(jobId=job, targets=targets, document=document, **more)


def counters(job):
    details = iot.describe_job(jobId=job)["job"]["jobProcessDetails"]
    found = {name: details[f"numberOf{name}Things"] for name in COUNTERS}
    assert all(type(count) is int for count in found.values()), found
    return {name: count for name, count in found.items() if count}


def gone(job):
    try:
        iot.describe_job(jobId=job)
        return False
    except iot.exceptions.ResourceNotFoundException:
        return True


def a_device_takes_a_job_to_its_end():
    target = thing("pump-1")
    equal(device.get_pending_job_executions(thingName="pump-1")["queuedJobs"], [])
    answer = create("reboot-1", [target], description="one device")
    equal(answer["jobId"], "reboot-1")
    equal(answer["jobArn"].rsplit(":", 1)[1], "job/reboot-1")
    until("queued", lambda: counters("reboot-1") == {"Queued": 1})

    pending = device.get_pending_job_executions(thingName="pump-1")
    equal([job["jobId"] for job in pending["queuedJobs"]], ["reboot-1"])
    equal(pending["inProgressJobs"], [])
    described = device.describe_job_execution(thingName="pump-1", jobId="$next")["execution"]
    equal(described["status"], "QUEUED")
    # Over HTTP a document is a string.
    equal(json.loads(described["jobDocument"]), {"operation": "reboot", "delay": 5})

    begun = device.start_next_pending_job_execution(thingName="pump-1", statusDetails={"step": "boot"})["execution"]
    equal((begun["status"], begun["versionNumber"], begun["statusDetails"]), ("IN_PROGRESS", 2, {"step": "boot"}))
    assert type(begun["queuedAt"]) is int and type(begun["startedAt"]) is int, begun
    equal(counters("reboot-1"), {"InProgress": 1})

    state = device.update_job_execution(
        thingName="pump-1", jobId="reboot-1", status="IN_PROGRESS", statusDetails={"progress": "50%"},
        expectedVersion=2, includeJobExecutionState=True, includeJobDocument=True,
    )
    equal(state["executionState"], {"status": "IN_PROGRESS", "statusDetails": {"progress": "50%"}, "versionNumber": 3})
    equal(json.loads(state["jobDocument"])["operation"], "reboot")
    refused("InvalidStateTransitionException", 409, device.update_job_execution,
            thingName="pump-1", jobId="reboot-1", status="SUCCEEDED", expectedVersion=2)
    answer = device.update_job_execution(thingName="pump-1", jobId="reboot-1", status="SUCCEEDED")
    assert "executionState" not in answer and "jobDocument" not in answer, answer

    refused("TerminalStateException", 410, device.describe_job_execution, thingName="pump-1", jobId="reboot-1")
    refused("InvalidStateTransitionException", 409, device.update_job_execution,
            thingName="pump-1", jobId="reboot-1", status="FAILED")
    assert "execution" not in device.start_next_pending_job_execution(thingName="pump-1")

    until("completed", lambda: iot.describe_job(jobId="reboot-1")["job"]["status"] == "COMPLETED")
    equal(counters("reboot-1"), {"Succeeded": 1})
    execution = iot.describe_job_execution(jobId="reboot-1", thingName="pump-1")["execution"]
    equal((execution["status"], execution["executionNumber"]), ("SUCCEEDED", 1))
    equal(execution["statusDetails"], {"detailsMap": {"progress": "50%"}})
    equal(execution["thingArn"], target)
    equal(json.loads(iot.get_job_document(jobId="reboot-1")["document"])["delay"], 5)
    iot.delete_job(jobId="reboot-1")
    until("deleted", lambda: gone("reboot-1"))
    # Its name is free again.
    create("reboot-1", [target])


def refusals_are_of_modeled_kinds():
    target = thing("pump-2")
    create("reboot-2", [target])
    refused("ResourceAlreadyExistsException", 409, iot.create_job, jobId="reboot-2", targets=[target], document="{}")
    refused("InvalidRequestException", 400, iot.create_job, jobId="no-json", targets=[target], document="{")
    refused("InvalidRequestException", 400, iot.create_job, jobId="no-document", targets=[target])
    refused("ResourceNotFoundException", 404, iot.create_job, jobId="nobody", targets=[target + "-x"], document="{}")
    refused("InvalidStateTransitionException", 409, iot.delete_job, jobId="reboot-2")
    for call in (iot.describe_job, iot.cancel_job, iot.delete_job, iot.get_job_document):
        refused("ResourceNotFoundException", 404, call, jobId="no-such")
    refused("ResourceNotFoundException", 404, device.get_pending_job_executions, thingName="no-such")
    refused("InvalidRequestException", 400, device.update_job_execution,
            thingName="pump-2", jobId="reboot-2", status="FAILURE")


def canceling_spares_what_is_in_progress():
    targets = [thing(f"valve-{number}") for number in range(3)]
    create("reboot-3", targets)
    until("queued", lambda: counters("reboot-3") == {"Queued": 3})
    device.start_next_pending_job_execution(thingName="valve-0")
    iot.cancel_job(jobId="reboot-3", reasonCode="MAINTENANCE", comment="not today")
    until("canceled", lambda: counters("reboot-3") == {"Canceled": 2, "InProgress": 1})
    job = iot.describe_job(jobId="reboot-3")["job"]
    equal((job["status"], job["reasonCode"], job["comment"]), ("CANCELED", "MAINTENANCE", "not today"))
    refused("InvalidStateTransitionException", 409, iot.cancel_job_execution, jobId="reboot-3", thingName="valve-0")
    iot.cancel_job_execution(jobId="reboot-3", thingName="valve-0", force=True)
    equal(counters("reboot-3"), {"Canceled": 3})
    iot.delete_job(jobId="reboot-3", force=True)
    until("deleted", lambda: gone("reboot-3"))


def lists_are_read_page_by_page():
    group = iot.create_thing_group(thingGroupName="lamps")["thingGroupArn"]
    names = [f"lamp-{number:02}" for number in range(30)]
    for name in names:
        thing(name)
        iot.add_thing_to_thing_group(thingGroupName="lamps", thingName=name)
    create("reboot-4", [group], targetSelection="CONTINUOUS")
    until("queued", lambda: counters("reboot-4") == {"Queued": 30})
    pages = list(iot.get_paginator("list_job_executions_for_job").paginate(
        jobId="reboot-4", status="QUEUED", PaginationConfig={"PageSize": 7}))
    equal([len(page["executionSummaries"]) for page in pages], [7, 7, 7, 7, 2])
    listed = [summary["thingArn"].rsplit("/", 1)[1] for page in pages for summary in page["executionSummaries"]]
    equal(sorted(listed), names)
    mine = iot.list_job_executions_for_thing(thingName="lamp-07")["executionSummaries"]
    equal([(one["jobId"], one["jobExecutionSummary"]["status"]) for one in mine], [("reboot-4", "QUEUED")])
    jobs = [job["jobId"] for page in iot.get_paginator("list_jobs").paginate(PaginationConfig={"PageSize": 2})
            for job in page["jobs"]]
    assert "reboot-4" in jobs and len(jobs) == len(set(jobs)), jobs
    continuous = iot.list_jobs(targetSelection="CONTINUOUS")["jobs"]
    equal([job["jobId"] for job in continuous], ["reboot-4"])
    # Who joins later gets the job as well.
    thing("lamp-late")
    iot.add_thing_to_thing_group(thingGroupName="lamps", thingName="lamp-late")
    until("joined", lambda: device.get_pending_job_executions(thingName="lamp-late")["queuedJobs"])


a_device_takes_a_job_to_its_end()
refusals_are_of_modeled_kinds()
canceling_spares_what_is_in_progress()
lists_are_read_page_by_page()

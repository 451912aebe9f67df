"""Makes, starts and reads a campaign with the generated Python client."""

import io
import os
import time
from typing import TypeVar

from carillon.api.about import get_me
from carillon.api.campaigns import create_campaign, start_campaign
from carillon.api.connections import list_connections
from carillon.api.recipients import add_recipients, list_recipients
from carillon.api.reports import get_campaign_report
from carillon.client import AuthenticatedClient
from carillon.models.add_recipients_json_body_item import AddRecipientsJsonBodyItem
from carillon.models.body_component import BodyComponent
from carillon.models.body_component_type import BodyComponentType
from carillon.models.campaign_report import CampaignReport
from carillon.models.campaign_view import CampaignView
from carillon.models.connection_page import ConnectionPage
from carillon.models.me import Me
from carillon.models.new_campaign import NewCampaign
from carillon.models.problem import Problem
from carillon.models.recipient_page import RecipientPage
from carillon.models.start_options import StartOptions
from carillon.models.started_campaign import StartedCampaign
from carillon.models.template_content import TemplateContent
from carillon.models.template_message import TemplateMessage
from carillon.models.template_message_type import TemplateMessageType
from carillon.models.text_parameter import TextParameter
from carillon.models.text_parameter_type import TextParameterType
from carillon.models.upload_report import UploadReport
from carillon.types import UNSET, File, Unset

AS_JSON, AS_CSV = 30, 20
RECIPIENTS = AS_JSON + AS_CSV
PAGE = 20
COMPLETED_WITHIN = 240.0
T = TypeVar("T")


def main() -> None:
    with AuthenticatedClient(os.environ["CARILLON_URL"], os.environ["CARILLON_API_KEY"]) as client:
        me = expect(Me, get_me.sync(client=client))
        assert me.mode == "simulator", me
        connection = expect(ConnectionPage, list_connections.sync(client=client)).items[0].id
        refuse(client, connection)
        campaign = expect(CampaignView, create_campaign.sync(client=client, body=campaign_of(connection, "Python")))
        add(client, campaign.id)
        assert len(read(client, campaign.id)) == RECIPIENTS
        options = StartOptions(expected_recipients=RECIPIENTS)
        started = expect(StartedCampaign, start_campaign.sync(campaign.id, client=client, body=options))
        assert started.status == "active", started
        later = StartedCampaign.from_dict({**started.to_dict(), "status": "of a later version"})
        assert later.status == "of a later version", later
        report = wait(client, campaign.id)
    counts = (report.recipients, report.sent, report.pending, report.failed, report.skipped)
    assert counts == (RECIPIENTS, RECIPIENTS, 0, 0, 0), report
    print(f"Python: a campaign with {report.recipients} recipients was sent and read", flush=True)


def campaign_of(connection: str, name: str) -> NewCampaign:
    value = TextParameter(text="{first_name}", type_=TextParameterType.TEXT)
    body = BodyComponent(parameters=[value], type_=BodyComponentType.BODY)
    template = TemplateContent(name="opening", language="es", components=[body])
    message = TemplateMessage(template=template, type_=TemplateMessageType.TEMPLATE)
    return NewCampaign(name=name, connection_id=connection, message=message, daily_send_limit=1_000)


def refuse(client: AuthenticatedClient, connection: str) -> None:
    """A campaign without a name is refused, and the problem says so."""
    problem = expect(Problem, create_campaign.sync(client=client, body=campaign_of(connection, "")))
    assert (problem.status, problem.code) == (422, "validation_failed"), problem
    assert not isinstance(problem.errors, Unset), problem
    assert [error.pointer for error in problem.errors] == ["/name"], problem


def add(client: AuthenticatedClient, campaign: str) -> None:
    people = [{"phone": f"+57300111{number:04}", "first_name": f"Ana {number}"} for number in range(RECIPIENTS)]
    items = [AddRecipientsJsonBodyItem.from_dict(person) for person in people[:AS_JSON]]
    report = expect(UploadReport, add_recipients.sync(campaign, client=client, body=items))
    assert (report.added, report.invalid_total) == (AS_JSON, 0), report
    lines = ["phone,first_name", *(",".join(person.values()) for person in people[AS_JSON:])]
    file = File(io.BytesIO("\n".join(lines).encode()))
    report = expect(UploadReport, add_recipients.sync(campaign, client=client, body=file))
    assert (report.added, report.invalid_total) == (AS_CSV, 0), report


def read(client: AuthenticatedClient, campaign: str) -> set[str]:
    """The ids of all recipients, page by page."""
    found: set[str] = set()
    cursor: str | Unset = UNSET
    while True:
        page = expect(RecipientPage, list_recipients.sync(campaign, client=client, limit=PAGE, cursor=cursor))
        assert len(page.items) <= PAGE, page
        found |= {item.contact_id for item in page.items}
        if not page.next_cursor:
            return found
        cursor = page.next_cursor


def wait(client: AuthenticatedClient, campaign: str) -> CampaignReport:
    until = time.monotonic() + COMPLETED_WITHIN
    while True:
        report = expect(CampaignReport, get_campaign_report.sync(campaign, client=client))
        if report.status == "completed":
            return report
        assert time.monotonic() < until, report
        time.sleep(1)


def expect(kind: type[T], answer: object) -> T:
    assert isinstance(answer, kind), answer
    return answer


if __name__ == "__main__":
    main()

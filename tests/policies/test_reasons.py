"""Reasons: what an administrator writes for the record stays on one line, and hides or reorders nothing."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django import forms

from accounts.errors import UnreadableWords
from accounts.flows import deletion
from accounts.models import User
from accounts.words import WordsField, one_line
from audit.models import AuditEvent
from policies.admin.act_forms import ActForm
from policies.admin.deadline_pages import Days, ExtensionForm
from policies.admin.people_forms import DeletionForm
from policies.admin.publish_form import PublishForm
from policies.flows import confirm
from policies.models import MFAPolicy, PolicyVersion
from tests.accounts import acts_scene
from tests.factories import TenantFactory, UserFactory
from tests.policies.publishing_scene import administrator, fresh_session, published

pytestmark = pytest.mark.django_db

HIDING = ["\u202e", "\u2066", "\u200b", "\ufeff", "\x1b", "\x07", "\x00", "\x0b", "\x85", "\u2028", "\u2029", "\ud800"]
BROKEN, JOINED = "  they asked\r\nfor\t\tit\n", "they asked for it"


def publish(actor: User, reason: str) -> None:
    published(actor, reason=reason)


def stop(actor: User, reason: str) -> None:
    published(actor, how={"mode": PolicyVersion.Mode.REPORT})
    policy = MFAPolicy.objects.get(tenant=actor.tenant_id)
    confirm.stop_report(policy, actor=actor, session=fresh_session(actor), reason=reason)


def reset_somebody(actor: User, reason: str) -> None:
    person = UserFactory(tenant=actor.tenant)
    acts_scene.reset(person, actor=actor, session=fresh_session(actor), reason=reason)


def delete_somebody(actor: User, reason: str) -> None:
    deletion.delete(UserFactory(tenant=actor.tenant), actor=actor, session=fresh_session(actor), reason=reason)


FLOWS = {
    "policy:published": publish,
    "policy:report_stopped": stop,
    "mfa:reset": reset_somebody,
    "person:deleted": delete_somebody,
}


@pytest.fixture
def actor() -> User:
    return administrator(TenantFactory(), is_superuser=True)


@pytest.mark.parametrize(("kind", "flow"), FLOWS.items(), ids=FLOWS.keys())
class TestWhatTheFlowsTake:
    def test_breaks_become_spaces(self, actor: User, kind: str, flow: Callable[[User, str], None]) -> None:
        flow(actor, BROKEN)
        assert AuditEvent.objects.filter(kind=kind).latest("id").payload["reason"] == JOINED

    @pytest.mark.parametrize("sign", ["\u202e", "\x1b"], ids=ascii)
    def test_what_hides_is_refused(self, actor: User, kind: str, flow: Callable[[User, str], None], sign: str) -> None:
        before = AuditEvent.objects.filter(kind=kind).count()
        with pytest.raises(UnreadableWords):
            flow(actor, f"they{sign}asked")
        assert AuditEvent.objects.filter(kind=kind).count() == before


def form_of(name: str, reason: str) -> forms.Form:
    people, data = [UserFactory()], {"reason": reason}
    made: dict[str, Callable[[], Any]] = {
        "reset": lambda: ActForm(data, people=people),
        "deletion": lambda: DeletionForm(data, people=people),
        "extension": lambda: ExtensionForm(data, days=Days(date(2030, 1, 1), date(2030, 1, 8))),
        "publish": lambda: PublishForm(data, switches_off=False),
    }
    form: forms.Form = made[name]()
    return form


@pytest.mark.parametrize("name", ["reset", "deletion", "extension", "publish"])
def test_a_form_says_it_beside_the_field(name: str) -> None:
    assert "cannot be seen" in form_of(name, "they\u202easked").errors["reason"][0]
    form = form_of(name, BROKEN)
    assert "reason" not in form.errors
    assert form.cleaned_data["reason"] == JOINED


@pytest.mark.parametrize("sign", HIDING, ids=ascii)
def test_no_sign_that_hides_is_taken(sign: str) -> None:
    for text in (f"a{sign}b", f"a{sign}", sign):
        with pytest.raises(UnreadableWords):
            one_line(text)
        with pytest.raises(forms.ValidationError):
            WordsField().clean(text)


@pytest.mark.parametrize("text", ["", "Sie bat darum – am 3. Mai.", "طلبت ذلك", "必要", "ärgerlich 👍"], ids=ascii)
def test_other_words_stay(text: str) -> None:
    assert one_line(text) == text

"""Acts on somebody else's account: who may ask, who has to agree, how long it waits, and what becomes of it."""

from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.utils import timezone

from accounts import cancelling
from accounts.errors import LinkInvalid, NotAllowed, NotFresh, UnreadableWords
from accounts.flows import access_passes, caller_checks, disowning, interventions, people
from accounts.flows.intervention_rules import AskedAlready, NoCallerCheck, NotIndependent, NotOpen, NotProtected, Word
from accounts.flows.interventions import Act
from accounts.models import AccessPass, CallerCheck, EnrolmentLink, Intervention, Notice, Role, User
from accounts.models.helping import HelpRules
from tests.accounts import acts_scene
from tests.accounts.acts_scene import WORD, approve, ask, events, fresh, settle, settled_administrator
from tests.factories import AdministratorFactory, TenantFactory, UserFactory, enrol_totp, live_binding, session_of

pytestmark = [pytest.mark.django_db, pytest.mark.security(55)]
State = Intervention.State
EVERYONE = HelpRules.Approval.EVERYONE


@pytest.fixture
def asker() -> User:
    return settled_administrator(tenant=TenantFactory())


@pytest.fixture
def second(asker: User) -> User:
    return settled_administrator(tenant=asker.tenant)


@pytest.fixture
def boss(asker: User) -> User:
    """An administrator about whom things are asked."""
    boss = settled_administrator(tenant=asker.tenant)
    enrol_totp(boss)
    return boss


@pytest.fixture
def person(asker: User) -> User:
    person = UserFactory(tenant=asker.tenant)
    enrol_totp(person)
    return person


def state_of(act: Intervention) -> str:
    act.refresh_from_db()
    return act.state


def is_enrolled(person: User) -> bool:
    return person.bindings.filter(unbound_at=None).exists()


def notices_to(person: User) -> list[str]:
    return list(Notice.objects.filter(person=person).order_by("pk").values_list("name", flat=True))


def later(**passed: float) -> time_machine.travel:
    return time_machine.travel(timezone.now() + timedelta(**passed), tick=False)


# -- asking --------------------------------------------------------------------------------------------------------


def test_for_an_ordinary_person_it_is_done_at_once_and_recorded_as_one_thing(asker, person):
    act = ask(person, asker)
    assert state_of(act) == State.DONE
    assert not is_enrolled(person)
    (asked,), (done,) = events("intervention:asked"), events("mfa:reset")
    assert asked.payload["intervention"] == done.payload["intervention"] == str(act.pk)
    assert (asked.payload["reason"], asked.payload["verified_how"]) == (WORD.reason, "video")
    assert (asked.actor_id, done.actor_id, done.target_id) == (str(asker.pk), str(asker.pk), str(person.pk))
    assert "by_command" not in asked.payload
    assert "mfa_reset" in notices_to(person) and "intervention_requested" not in notices_to(person)


def test_for_an_administrator_it_takes_a_second_one_and_a_day(asker, second, boss):
    act = ask(boss, asker)
    assert (act.state, act.needs_approval) == (State.ASKED, True)
    assert act.not_before - act.requested_at == timedelta(hours=24)
    assert is_enrolled(boss)
    assert approve(act, second).state == State.WAITING
    with later(hours=23):
        assert not settle()
    with later(hours=25):
        settle()
    assert state_of(act) == State.DONE
    assert not is_enrolled(boss)
    (done,) = events("mfa:reset")
    assert (done.actor_id, done.payload["intervention"]) == (str(asker.pk), str(act.pk))


def test_the_person_and_those_who_may_agree_are_told_and_who_asked_learns_the_end(asker, second, boss):
    stranger = settled_administrator(tenant=TenantFactory())
    act = ask(boss, asker)
    assert notices_to(boss)[-1] == "intervention_requested"
    assert notices_to(second) == ["intervention_to_decide"]
    assert "intervention_to_decide" not in notices_to(asker) + notices_to(boss) + notices_to(stranger)
    approve(act, second)
    with later(hours=25):
        settle()
    assert notices_to(asker)[-1] == "intervention_settled"
    assert notices_to(boss)[-2:] == ["mfa_reset", "enrolment_link"]


@pytest.mark.parametrize("hours", [1, 168])
def test_a_tenant_may_have_everybody_wait(asker, person, hours):
    acts_scene.rules(person, wait_hours=hours)
    act = ask(person, asker)
    assert (act.state, act.needs_approval) == (State.WAITING, False)
    with later(hours=hours - 0.1):
        assert not settle()
    with later(hours=hours + 0.1):
        settle()
    assert state_of(act) == State.DONE


def test_a_tenant_may_want_a_second_one_for_everybody(asker, second, person):
    acts_scene.rules(person, second_approver=EVERYONE)
    act = ask(person, asker)
    assert act.state == State.ASKED
    assert is_enrolled(person)
    assert approve(act, second).state == State.DONE
    assert not is_enrolled(person)


@pytest.mark.parametrize("whom", ["self", "stranger", "root"])
@pytest.mark.parametrize("kind", Act)
def test_nobody_acts_on_themselves_strangers_or_superiors(asker, whom, kind):
    person = {
        "self": asker,
        "stranger": UserFactory(tenant=TenantFactory()),
        "root": UserFactory(tenant=asker.tenant, is_superuser=True),
    }[whom]
    with pytest.raises(NotAllowed):
        ask(person, asker, kind)
    (refused,) = events("intervention:refused")
    assert (refused.target_id, refused.payload["act"], refused.payload["reason"]) == (
        str(person.pk),
        kind,
        "not_allowed",
    )
    assert not Intervention.objects.exists()


@pytest.mark.security(51)
def test_asking_and_agreeing_need_a_fresh_factor(asker, second, boss):
    act = ask(boss, asker)
    enrol_totp(second)
    wanted = interventions.Wanted(kind=Act.RESET, person=boss)
    for attempt in (
        lambda: interventions.ask(wanted, actor=asker, session=session_of(asker), word=WORD),
        lambda: interventions.approve(act, actor=second, session=session_of(second)),
        lambda: interventions.decline(act, actor=second, session=session_of(second)),
    ):
        with pytest.raises(NotFresh):
            attempt()
    assert state_of(act) == State.ASKED


@pytest.mark.security(51)
def test_a_password_is_no_proof_of_an_administrator_who_has_no_factor(asker, second, boss):
    act = ask(boss, asker)
    with pytest.raises(NotProtected):
        interventions.approve(act, actor=second, session=session_of(second))
    wanted = interventions.Wanted(kind=Act.RESET, person=UserFactory(tenant=asker.tenant))
    with pytest.raises(NotProtected):
        interventions.ask(wanted, actor=second, session=session_of(second), word=WORD)
    assert state_of(act) == State.ASKED


def test_what_hides_in_words_is_refused(asker, person):
    with pytest.raises(UnreadableWords):
        ask(person, asker, word=Word(reason="lost\u202e", verified_how="video"))
    assert is_enrolled(person)


def test_the_same_is_not_asked_for_twice_but_something_else_may_be(asker, second, boss):
    ask(boss, asker)
    with pytest.raises(AskedAlready):
        ask(boss, second)
    ask(boss, second, Act.PASSWORD)
    assert Intervention.objects.count() == 2


def test_a_reset_may_be_done_again_and_ends_what_was_proved_since(asker, second, person):
    ask(person, asker)
    links = EnrolmentLink.objects.filter(person=person, used_at=None)
    (first,) = links
    ask(person, second)
    assert [one.pk for one in links.all()] != [first.pk]
    assert links.count() == 1
    assert len(events("mfa:reset")) == 2


def test_a_caller_check_is_named_only_where_one_was_passed(asker, person):
    with pytest.raises(NoCallerCheck):
        ask(person, asker, word=Word(reason="lost", verified_how="caller_check"))
    check = caller_checks.start(person, actor=asker, ticket="T-9")
    CallerCheck.objects.update(person_proved_at=timezone.now())
    act = ask(person, asker, word=Word(reason="lost", verified_how="caller_check"))
    assert (act.caller_check_id, act.ticket) == (check.pk, "T-9")
    assert events("intervention:asked")[0].payload["caller_check"] == str(check.pk)


def test_on_the_command_line_nobody_proves_anything_and_the_event_says_so(asker, person):
    interventions.ask(interventions.Wanted(kind=Act.RESET, person=person), actor=asker, session=None, word=WORD)
    assert Intervention.objects.get().by_command
    assert events("intervention:asked")[0].payload["by_command"] is True


# -- deciding ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["asker", "boss", "stranger", "user", "switched off"])
def test_who_asked_the_person_and_strangers_do_not_decide(asker, boss, second, who):
    act = ask(boss, asker)
    actor = {
        "asker": asker,
        "boss": boss,
        "stranger": settled_administrator(tenant=TenantFactory()),
        "user": UserFactory(tenant=asker.tenant),
        "switched off": settled_administrator(tenant=asker.tenant, is_active=False),
    }[who]
    session = fresh(actor)
    for decide in (interventions.approve, interventions.decline):
        with pytest.raises(NotAllowed):
            decide(act, actor=actor, session=session)
    assert state_of(act) == State.ASKED
    assert {e.payload["reason"] for e in events("intervention:refused")} == {"not_allowed"}


def test_a_platform_administrator_can_agree_everywhere(asker, boss):
    act = ask(boss, asker)
    assert approve(act, settled_administrator(is_superuser=True)).state == State.WAITING


def test_declined_is_over_and_everybody_knows(asker, second, boss):
    act = ask(boss, asker)
    interventions.decline(act, actor=second, session=fresh(second))
    assert state_of(act) == State.DECLINED
    assert (act.finished_by, act.finished_by_label) == (second.pk, str(second))
    assert notices_to(boss)[-1] == "intervention_ended"
    assert notices_to(asker)[-1] == "intervention_settled"
    with pytest.raises(NotOpen):
        approve(act, settled_administrator(tenant=asker.tenant))


def test_what_was_agreed_to_can_still_be_stopped_by_another(asker, second, boss):
    act = approve(ask(boss, asker), second)
    third = settled_administrator(tenant=asker.tenant)
    interventions.decline(act, actor=third, session=fresh(third))
    with later(hours=25):
        assert not settle()
    assert is_enrolled(boss)


def test_an_act_that_was_cancelled_is_not_approved_later(asker, second, boss):
    act = ask(boss, asker)
    interventions.cancel(act, actor=asker)
    with pytest.raises(NotOpen):
        approve(act, second)
    with later(hours=25):
        assert not settle()
    assert state_of(act) == State.CANCELLED
    assert is_enrolled(boss)


@pytest.mark.parametrize("who", ["asker", "boss", "second"])
def test_who_asked_and_the_person_take_it_back(asker, second, boss, who):
    act = ask(boss, asker)
    actor = {"asker": asker, "boss": boss, "second": second}[who]
    if who == "second":
        with pytest.raises(NotAllowed):
            interventions.cancel(act, actor=actor)
        return
    interventions.cancel(act, actor=actor)
    assert state_of(act) == State.CANCELLED
    assert events("intervention:cancelled")[0].actor_id == str(actor.pk)
    with pytest.raises(NotOpen):
        interventions.cancel(act, actor=actor)


# -- the person's own word -----------------------------------------------------------------------------------------


def test_the_link_in_the_mail_cancels_once(asker, boss, second, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        act = approve(ask(boss, asker), second)
    (message,) = [one for one in mail.outbox if one.to == [boss.email] and "asked for about" in one.subject]
    token = cancelling.token_of(act.pk)
    assert token in message.body and token in message.alternatives[0][0]
    assert token.rpartition(":")[2] not in str(list(Notice.objects.values("facts")))
    interventions.cancel_by_link(token)
    assert state_of(act) == State.CANCELLED
    assert events("intervention:cancelled")[0].payload["channel"] == "mail"
    with pytest.raises(LinkInvalid):
        interventions.cancel_by_link(token)
    assert is_enrolled(boss)


@pytest.mark.parametrize("spoilt", ["{pk}", "{pk}:", "{pk}:AAAA", "{other}:{signature}", "x" * 5000, "\x00", ":"])
def test_nobody_makes_such_a_link_of_their_own(asker, boss, spoilt):
    act, other = ask(boss, asker), ask(boss, asker, Act.PASSWORD)
    signature = cancelling.token_of(act.pk).rpartition(":")[2]
    with pytest.raises(LinkInvalid):
        interventions.cancel_by_link(spoilt.format(pk=act.pk, other=other.pk, signature=signature))
    assert not events("intervention:cancelled")


def test_this_was_not_me_cancels_all_that_is_open(asker, boss):
    acts = [ask(boss, asker), ask(boss, asker, Act.PASSWORD)]
    from accounts import not_me_links

    notice = Notice.objects.filter(person=boss).latest("pk")
    disowning.disown(not_me_links.token_of(notice))
    assert [state_of(one) for one in acts] == [State.CANCELLED] * 2
    assert {e.payload["channel"] for e in events("intervention:cancelled")} == {"disowned"}


# -- who counts as a second one --------------------------------------------------------------------------------------


def test_an_administrator_made_after_the_request_does_not_count(asker, boss):
    act = ask(boss, asker)
    for late in (
        AdministratorFactory(tenant=asker.tenant),
        people.change(UserFactory(tenant=asker.tenant), actor=boss, role=Role.ADMINISTRATOR),
    ):
        with pytest.raises(NotIndependent):
            approve(act, late)
    assert state_of(act) == State.ASKED
    assert {e.payload["reason"] for e in events("intervention:refused")} == {"not_independent"}


def test_a_second_account_of_who_asked_does_not_count_however_old(asker, boss):
    puppet = people.change(UserFactory(tenant=asker.tenant), actor=asker, role=Role.ADMINISTRATOR)
    with later(days=100):
        act = ask(boss, asker)
        with pytest.raises(NotIndependent):
            approve(act, puppet)


def test_nor_does_who_asks_by_a_second_account_and_agrees_by_the_first(asker, boss):
    puppet = people.change(UserFactory(tenant=asker.tenant), actor=asker, role=Role.ADMINISTRATOR)
    with pytest.raises(NotIndependent):
        approve(ask(boss, puppet), asker)


def test_a_colleague_who_was_switched_on_for_it_does_not_count(asker, boss):
    root = settled_administrator(is_superuser=True)
    asleep = people.change(settled_administrator(tenant=asker.tenant), actor=root, is_active=False)
    people.change(asleep, actor=asker, is_active=True)
    with later(days=1), pytest.raises(NotIndependent):
        approve(ask(boss, asker), User.objects.get(pk=asleep.pk))


# -- no way round ----------------------------------------------------------------------------------------------------


def test_who_was_demoted_is_still_helped_as_an_administrator(asker, boss):
    people.change(boss, actor=asker, role=Role.USER)
    act = ask(boss, asker)
    assert (act.state, act.needs_approval) == (State.ASKED, True)
    assert act.not_before - act.requested_at == timedelta(hours=24)
    with later(days=8):
        enrolled = User.objects.get(pk=boss.pk)
        assert ask(enrolled, asker, Act.PASSWORD).state == State.DONE


def test_who_became_an_administrator_meanwhile_needs_what_administrators_need(asker, second, person):
    acts_scene.rules(person, wait_hours=1)
    act = ask(person, asker)
    people.change(person, actor=second, role=Role.ADMINISTRATOR)
    with later(hours=2):
        settle()
    assert (state_of(act), act.trouble) == (State.LAPSED, "needs_approval_now")
    assert is_enrolled(person)
    assert events("intervention:lapsed")[0].payload["trouble"] == "needs_approval_now"
    assert notices_to(asker)[-1] == "intervention_settled"


def test_stricter_rules_hold_for_what_is_open(asker, second, person):
    acts_scene.rules(person, second_approver=EVERYONE)
    act = ask(person, asker)
    acts_scene.rules(person, wait_hours=48)
    assert approve(act, second).state == State.LAPSED
    assert act.refresh_from_db() is None and act.trouble == "waits_longer_now"


@pytest.mark.parametrize("who", ["asker", "second"])
@pytest.mark.parametrize("how", ["demoted", "switched off", "moved", "deleted"])
def test_who_asked_and_who_agreed_still_have_to_answer_for_the_person(asker, second, boss, who, how):
    act = approve(ask(boss, asker), second)
    gone = {"asker": asker, "second": second}[who]
    match how:
        case "demoted":
            User.objects.filter(pk=gone.pk).update(role=Role.USER)
        case "switched off":
            User.objects.filter(pk=gone.pk).update(is_active=False)
        case "moved":
            User.objects.filter(pk=gone.pk).update(tenant=TenantFactory())
        case "deleted":
            gone.delete()
    with later(hours=25):
        settle()
    expected = "requester_lost_rights" if who == "asker" else "approver_lost_rights"
    assert (state_of(act), act.trouble) == (State.LAPSED, expected)
    assert is_enrolled(boss)


def test_a_person_who_moved_is_not_acted_on_any_more():
    root, other_root = (settled_administrator(is_superuser=True) for _ in range(2))
    person = settled_administrator(tenant=TenantFactory())
    act = approve(ask(person, root), other_root)
    people.change(person, actor=root, tenant=TenantFactory())
    with later(hours=25):
        settle()
    assert (state_of(act), act.trouble) == (State.LAPSED, "person_moved")


def test_what_nobody_decides_lapses_after_a_week(asker, second, boss):
    act = ask(boss, asker)
    with later(days=6.9):
        assert not settle()
    with later(days=7.1):
        with pytest.raises(NotOpen):
            approve(act, second)
        settle()
    assert (state_of(act), act.trouble) == (State.LAPSED, "expired")


def test_consent_does_not_last_for_ever(asker, second, boss):
    """The site was down for long: what was agreed to then is asked for anew."""
    act = approve(ask(boss, asker), second)
    with later(days=9):
        settle()
    assert (state_of(act), act.trouble) == (State.LAPSED, "expired")
    assert is_enrolled(boss)


# -- kinds -----------------------------------------------------------------------------------------------------------


def test_an_access_pass_never_waits_but_needs_consent_like_the_rest(asker, second, boss):
    boss.bindings.update(unbound_at=timezone.now())
    act = ask(boss, asker, Act.ACCESS_PASS, minutes=30)
    assert act.state == State.ASKED and not AccessPass.objects.exists()
    assert approve(act, second).state == State.DONE
    held = AccessPass.objects.get()
    assert (held.intervention_id, held.issued_by) == (act.pk, asker.pk)


@pytest.mark.parametrize("minutes", [1, 100_000])
def test_a_pass_of_a_wrong_lifetime_is_not_asked_for(asker, minutes):
    with pytest.raises(access_passes.WrongLifetime):
        ask(UserFactory(tenant=asker.tenant), asker, Act.ACCESS_PASS, minutes=minutes)
    assert not Intervention.objects.exists()


def test_what_cannot_be_done_any_more_lapses_and_undoes_nothing(asker, second, boss):
    binding = live_binding(boss)
    act = approve(ask(boss, asker, Act.REMOVAL, binding=binding), second)
    boss.bindings.update(unbound_at=timezone.now())
    with later(hours=25):
        settle()
    assert (state_of(act), act.trouble) == (State.LAPSED, "not_enrolled")
    assert not events("authenticator:removed")

"""The draft of a policy's next version: begun from any version, changed in turns, tried, published or dropped."""

from typing import TYPE_CHECKING, Any

from accounts.errors import NotAllowed
from accounts.models import User
from audit.kinds import Kind
from audit.log import record, unit_of_work
from policies import document as documents
from policies.errors import StaleDraft
from policies.flows import publish as publishing
from policies.models import MFAPolicy, PolicyDraft, PolicyVersion

if TYPE_CHECKING:
    from accounts.session_store import SessionStore


def draft_of(policy: MFAPolicy) -> PolicyDraft | None:
    """The policy's draft, or None."""
    return PolicyDraft.objects.filter(policy=policy).first()


def begin(policy: MFAPolicy, version: PolicyVersion, *, actor: User) -> PolicyDraft:
    """A draft that says what a version says: the one in force, or an old one to go back to.

    Raises NotAllowed, also for a version of another policy, or StaleDraft where there is a draft already: nobody's
    work is overwritten.
    """
    if version.policy_id != policy.pk:
        raise NotAllowed
    return save(policy, dict(documents.upgraded(version.document)), enabled=version.enabled, actor=actor, revision=0)


@unit_of_work
def save(
    policy: MFAPolicy,
    document: dict[str, Any],
    *,
    enabled: bool,
    actor: User,
    revision: int,
    based_on: int | None = None,
) -> PolicyDraft:
    """Keep what was edited. `revision` is the draft's as it was read, 0 for a new one.

    `based_on` is the version that a new one was begun from; None: whichever is in force. Raises NotAllowed,
    StaleDraft where somebody else changed or published it meanwhile, or DocumentError naming the fields.
    """
    locked = publishing.lock_for(policy, actor)
    documents.validate(document)
    draft = PolicyDraft.objects.filter(policy=locked).first()
    if (draft.revision if draft else 0) != revision:
        raise StaleDraft
    if draft is None:
        if based_on not in (None, locked.version):
            raise StaleDraft
        draft = PolicyDraft(policy=locked, based_on=locked.version)
    draft.document, draft.enabled = document, enabled
    draft.author_id, draft.author_label = actor.pk, str(actor)
    _keep(locked, draft, actor)
    return draft


@unit_of_work
def rebase(policy: MFAPolicy, *, actor: User, revision: int) -> PolicyDraft:
    """Let a draft go on from what is in force now, as somebody decided who saw the difference.

    Raises NotAllowed, or StaleDraft where somebody else changed the draft meanwhile.
    """
    locked = publishing.lock_for(policy, actor)
    draft = _current(locked, revision)
    draft.based_on = locked.version
    _keep(locked, draft, actor)
    return draft


def _keep(policy: MFAPolicy, draft: PolicyDraft, actor: User) -> None:
    """Save a draft under the policy's next revision. The policy's row is held."""
    policy.draft_revision += 1
    policy.save(update_fields=["draft_revision"])
    draft.revision = policy.draft_revision
    draft.save()
    record(
        Kind.POLICY_DRAFT_SAVED,
        actor=actor,
        target=policy,
        tenant=policy.tenant_id,
        revision=draft.revision,
        after=draft.document,
    )


@unit_of_work
def discard(policy: MFAPolicy, *, actor: User, revision: int) -> None:
    """Drop the draft. Raises NotAllowed or StaleDraft."""
    locked = publishing.lock_for(policy, actor)
    draft = _current(locked, revision)
    draft.delete()
    record(Kind.POLICY_DRAFT_DISCARDED, actor=actor, target=locked, tenant=locked.tenant_id, revision=revision)


def publish(
    policy: MFAPolicy,
    *,
    actor: User,
    session: "SessionStore",
    revision: int,
    reason: str,
    mode: str = PolicyVersion.Mode.ENFORCE,
    until_confirmed: bool = False,
) -> PolicyVersion:
    """Publish the draft as it was read. Raises as `flows.publish.publish` does; StaleDraft where either moved.

    A draft that is put on trial stays, so that what is learnt can go into it.
    """
    with publishing.refusals_recorded(policy, actor), unit_of_work():
        draft = _current(publishing.lock_for(policy, actor), revision)
        version = publishing.publish(
            policy,
            draft.document,
            actor=actor,
            session=session,
            reason=reason,
            enabled=draft.enabled,
            mode=mode,
            until_confirmed=until_confirmed,
            based_on=draft.based_on,
        )
        if mode == PolicyVersion.Mode.ENFORCE:
            draft.delete()
    return version


def _current(policy: MFAPolicy, revision: int) -> PolicyDraft:
    draft = PolicyDraft.objects.filter(policy=policy, revision=revision).first()
    if draft is None:
        raise StaleDraft
    return draft

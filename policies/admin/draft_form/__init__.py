"""The form in which an administrator edits a policy."""

from policies.admin.draft_form.form import DraftForm
from policies.admin.draft_form.ground import Ground, ground_of

__all__ = ["DraftForm", "Ground", "ground_of"]

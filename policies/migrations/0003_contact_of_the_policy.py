import unicodedata

from django.db import migrations

LONGEST = 200


def fitting(text):
    """A text that a document may hold: without control characters, which a model's field let through."""
    plain = "".join(" " if unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp") else one for one in text)
    return " ".join(plain.split())[:LONGEST]


def into_the_document(apps, schema_editor):
    """Whom to ask for help moves from the tenant to the policy: into every version that is judged by, and the draft."""
    draft = apps.get_model("policies", "PolicyDraft")
    for policy in apps.get_model("policies", "MFAPolicy").objects.select_related("tenant"):
        contact = fitting(policy.tenant.help_contact)
        if not contact:
            continue
        judged_by = (policy.version, policy.fallback_version, policy.report_version)
        versions = policy.versions.filter(number__in=[number for number in judged_by if number is not None])
        for row in [*versions, *draft.objects.filter(policy=policy)]:
            if isinstance(row.document, dict) and not row.document.get("contact"):
                type(row).objects.filter(pk=row.pk).update(document={**row.document, "contact": contact})


def back_to_the_tenant(apps, schema_editor):
    """The contact of what is in force, where the tenant has its column again."""
    for policy in apps.get_model("policies", "MFAPolicy").objects.select_related("tenant"):
        version = policy.versions.filter(number=policy.version).first()
        if version is not None and isinstance(version.document, dict):
            policy.tenant.help_contact = str(version.document.get("contact", ""))[:LONGEST]
            policy.tenant.save(update_fields=["help_contact"])


class Migration(migrations.Migration):
    dependencies = [
        ("policies", "0002_complete_policies"),
        ("accounts", "0004_grace_and_attestation"),
    ]
    run_before = [("accounts", "0005_no_contact_of_the_tenant")]

    operations = [migrations.RunPython(into_the_document, back_to_the_tenant)]

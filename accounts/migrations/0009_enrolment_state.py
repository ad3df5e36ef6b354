from django.db import migrations, models


class Migration(migrations.Migration):
    """What people own, on their own row, and the ways to count and list it: statistics of a million cannot join."""

    dependencies = [("accounts", "0008_anchors_know_which_tenant")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="factors",
            field=models.PositiveSmallIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name="user",
            name="codes_left",
            field=models.PositiveSmallIntegerField(editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(fields=["tenant", "factors"], name="person_tenant_factors"),
        ),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(fields=["tenant", "email"], name="person_tenant_email"),
        ),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(
                condition=models.Q(("mfa_enrolled_at", None)),
                fields=["tenant", "email"],
                include=("is_active",),
                name="person_missing",
            ),
        ),
    ]

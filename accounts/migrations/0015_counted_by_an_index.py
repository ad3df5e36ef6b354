from django.db import migrations, models


class Migration(migrations.Migration):
    """All that the figures of a tenant are counted from, in one index: a hundred thousand people are not looked at."""

    dependencies = [("accounts", "0014_several_and_locked")]

    operations = [
        migrations.AddIndex(
            model_name="user",
            index=models.Index(
                fields=["tenant", "factors", "role", "codes_left"],
                condition=models.Q(is_active=True),
                include=(
                    "is_superuser",
                    "known_since",
                    "first_sign_in_at",
                    "grace_closed_at",
                    "grace_cap",
                    "grace_extended_to",
                    "id",
                ),
                name="person_counted",
            ),
        ),
    ]

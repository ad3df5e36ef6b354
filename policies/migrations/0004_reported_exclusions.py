import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    """Which excludes have been reported as ending, so that each is reported once."""

    dependencies = [("policies", "0003_contact_of_the_policy")]

    operations = [
        migrations.CreateModel(
            name="ExclusionReport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=20)),
                ("value", models.CharField(max_length=150)),
                ("until", models.DateTimeField()),
                ("last_day", models.BooleanField()),
                ("reported_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "policy",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="exclusion_reports",
                        to="policies.mfapolicy",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="exclusionreport",
            constraint=models.UniqueConstraint(
                fields=("policy", "kind", "value", "until", "last_day"), name="one_report_of_an_ending_exclude"
            ),
        ),
    ]

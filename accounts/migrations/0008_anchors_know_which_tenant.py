from django.db import migrations, models


class Migration(migrations.Migration):
    """In which tenant an address was last known: the days for people whom a tenant had are not for those of another.

    Rows from before say nothing, which counts as another tenant; every change of their person fills it in.
    """

    dependencies = [("accounts", "0007_snoozes")]

    operations = [
        migrations.AddField(
            model_name="addressanchor",
            name="tenant_id",
            field=models.UUIDField(null=True),
        ),
    ]

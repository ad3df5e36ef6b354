from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0001_events"),
    ]

    operations = [
        migrations.CreateModel(
            name="Checkpoint",
            fields=[
                ("number", models.PositiveBigIntegerField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("key_id", models.CharField(max_length=8)),
                ("text", models.TextField()),
            ],
            options={
                "verbose_name": "checkpoint",
                "verbose_name_plural": "checkpoints",
                "default_permissions": ("view",),
            },
        ),
    ]

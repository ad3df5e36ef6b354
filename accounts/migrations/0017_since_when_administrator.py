from django.db import migrations, models


class Migration(migrations.Migration):
    """Since when somebody has an administrator's rights, and by whom; rules for helping that are made weaker."""

    dependencies = [
        ('accounts', '0016_disowned_notices'),
    ]

    operations = [
        migrations.AddField(
            model_name='helprules',
            name='former',
            field=models.JSONField(default=dict, editable=False),
        ),
        migrations.AddField(
            model_name='helprules',
            name='weaker_from',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='user',
            name='administrator_by',
            field=models.UUIDField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='user',
            name='administrator_since',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='user',
            name='administrator_until',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AlterField(
            model_name='intervention',
            name='verified_how',
            field=models.CharField(choices=[('in_person', 'In person, by somebody who knows them'), ('video', 'On a video call, with an identity document'), ('call_back', 'By calling back a number on file'), ('manager', 'Their manager confirmed it'), ('caller_check', 'By a caller check that was passed')], max_length=40, verbose_name='how the person was recognised'),
        ),
    ]

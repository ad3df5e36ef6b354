import django.db.models.deletion
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0001_tenants_and_people'),
    ]

    operations = [
        migrations.CreateModel(
            name='Throttle',
            fields=[
                ('key', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('count', models.PositiveIntegerField(default=0)),
                ('window_ends_at', models.DateTimeField(db_index=True)),
                ('level', models.PositiveSmallIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name='Session',
            fields=[
                ('session_key', models.CharField(max_length=40, primary_key=True, serialize=False, verbose_name='session key')),
                ('session_data', models.TextField(verbose_name='session data')),
                ('expire_date', models.DateTimeField(db_index=True, verbose_name='expire date')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='created')),
                ('signed_in_at', models.DateTimeField(null=True, verbose_name='signed in')),
                ('last_seen_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='last seen')),
                ('ip', models.GenericIPAddressField(null=True, verbose_name='IP address')),
                ('agent', models.CharField(blank=True, max_length=300, verbose_name='browser')),
                ('ended_at', models.DateTimeField(null=True, verbose_name='ended')),
                ('proofs', models.JSONField(default=list, verbose_name='proved')),
                ('replacement_open', models.BooleanField(default=False)),
                ('grant_tenant', models.UUIDField(null=True)),
                ('grant_role', models.CharField(blank=True, max_length=24)),
                ('grant_policy_version', models.PositiveIntegerField(null=True)),
                ('grant_floor', models.CharField(blank=True, max_length=16)),
                ('grant_security_version', models.PositiveIntegerField(null=True)),
                ('grant_valid_until', models.DateTimeField(null=True)),
                ('grant_deadline', models.DateTimeField(null=True)),
                ('grant_idle', models.PositiveIntegerField(null=True)),
                ('person', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='sessions', to=settings.AUTH_USER_MODEL, verbose_name='person')),
            ],
            options={
                'verbose_name': 'session',
                'verbose_name_plural': 'sessions',
            },
        ),
        migrations.AddIndex(
            model_name='session',
            index=models.Index(fields=['person', 'ended_at'], name='session_person_ended'),
        ),
    ]

import django.db.models.deletion
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_sessions_and_throttles'),
        ('mfa', '0003_authenticator_type_uniq'),
    ]

    operations = [
        migrations.CreateModel(
            name='Binding',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('webauthn', 'Security key or passkey'), ('totp', 'Authenticator app'), ('recovery_code', 'Recovery codes')], max_length=20, verbose_name='kind')),
                ('name', models.CharField(blank=True, max_length=100, verbose_name='name')),
                ('sealed_under', models.CharField(blank=True, db_index=True, editable=False, max_length=8)),
                ('last_counter', models.BigIntegerField(editable=False, null=True)),
                ('failures', models.PositiveIntegerField(default=0, verbose_name='consecutive failures')),
                ('paused_until', models.DateTimeField(null=True, verbose_name='paused until')),
                ('locked_at', models.DateTimeField(null=True, verbose_name='locked')),
                ('bound_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='added')),
                ('bound_ip', models.GenericIPAddressField(null=True)),
                ('bound_by', models.UUIDField(null=True)),
                ('unbound_at', models.DateTimeField(null=True, verbose_name='removed')),
                ('unbound_ip', models.GenericIPAddressField(null=True)),
                ('unbound_by', models.UUIDField(null=True)),
                ('unbound_reason', models.CharField(blank=True, max_length=40)),
                ('last_used_at', models.DateTimeField(null=True, verbose_name='last used')),
                ('authenticator', models.OneToOneField(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='binding', to='mfa.authenticator', verbose_name='authenticator')),
            ],
            options={
                'verbose_name': 'authenticator',
                'verbose_name_plural': 'authenticators',
                'ordering': ['bound_at'],
            },
        ),
        migrations.CreateModel(
            name='KeyCanary',
            fields=[
                ('key_id', models.CharField(editable=False, max_length=8, primary_key=True, serialize=False, verbose_name='key id')),
                ('ciphertext', models.TextField(editable=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='made')),
            ],
            options={
                'verbose_name': 'key canary',
                'verbose_name_plural': 'key canaries',
                'ordering': ['created_at'],
            },
        ),
        migrations.CreateModel(
            name='WebAuthnCredential',
            fields=[
                ('binding', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='credential', serialize=False, to='accounts.binding')),
                ('credential_id', models.BinaryField(max_length=1023, unique=True)),
                ('public_key', models.BinaryField(max_length=2048)),
                ('algorithm', models.IntegerField()),
                ('aaguid', models.UUIDField()),
                ('transports', models.JSONField(default=list)),
                ('user_verified', models.BooleanField()),
                ('passwordless', models.BooleanField(default=False)),
                ('backup_eligible', models.BooleanField()),
                ('backed_up', models.BooleanField()),
                ('attestation', models.CharField(default='none', max_length=20)),
            ],
        ),
        migrations.CreateModel(
            name='Ceremony',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('challenge', models.BinaryField(max_length=64, unique=True)),
                ('purpose', models.CharField(choices=[('enrol', 'Enrol'), ('second_factor', 'Second Factor'), ('passkey', 'Passkey'), ('reauthenticate', 'Reauthenticate')], max_length=20)),
                ('session_id', models.UUIDField(null=True)),
                ('tenant_id', models.UUIDField(null=True)),
                ('user_verification', models.CharField(max_length=12)),
                ('passwordless', models.BooleanField(default=False)),
                ('expires_at', models.DateTimeField(db_index=True)),
                ('consumed_at', models.DateTimeField(null=True)),
                ('person', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='PendingEnrolment',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('session_id', models.UUIDField()),
                ('sealed', models.TextField()),
                ('sealed_under', models.CharField(db_index=True, max_length=8)),
                ('failures', models.PositiveSmallIntegerField(default=0)),
                ('expires_at', models.DateTimeField(db_index=True)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='pending_enrolments', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='RecoveryCode',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('used_at', models.DateTimeField(null=True)),
                ('binding', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='codes', to='accounts.binding')),
            ],
        ),
        migrations.AddField(
            model_name='binding',
            name='person',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='bindings', to=settings.AUTH_USER_MODEL, verbose_name='person'),
        ),
        migrations.AddIndex(
            model_name='binding',
            index=models.Index(condition=models.Q(('unbound_at', None)), fields=['person'], name='bound_by_person'),
        ),
        migrations.AddConstraint(
            model_name='binding',
            constraint=models.UniqueConstraint(condition=models.Q(('kind__in', ['totp', 'recovery_code']), ('unbound_at', None)), fields=('person', 'kind'), name='one_app_and_one_code_set'),
        ),
        migrations.AddConstraint(
            model_name='pendingenrolment',
            constraint=models.UniqueConstraint(fields=('person', 'session_id'), name='one_pending_enrolment_per_session'),
        ),
    ]

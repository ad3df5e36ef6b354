import accounts.models.helping
import django.core.validators
import django.db.models.deletion
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """What administrators do to accounts, what lets people back in, and the browsers they are known by."""

    dependencies = [
        ('accounts', '0011_search_by_part'),
    ]

    operations = [
        migrations.CreateModel(
            name='HelpRules',
            fields=[
                ('tenant', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='help_rules', serialize=False, to='accounts.tenant')),
                ('second_approver', models.CharField(choices=[('administrators', 'For administrators'), ('everyone', 'For everybody')], default='administrators', max_length=20, verbose_name='second administrator')),
                ('wait_hours', models.PositiveSmallIntegerField(default=0, validators=[django.core.validators.MaxValueValidator(168)], verbose_name='hours to wait')),
                ('administrators_wait_hours', models.PositiveSmallIntegerField(default=24, validators=[django.core.validators.MaxValueValidator(168)], verbose_name='hours to wait for administrators')),
            ],
            options={
                'verbose_name': 'rules for helping',
                'verbose_name_plural': 'rules for helping',
            },
        ),
        migrations.AddField(
            model_name='binding',
            name='checked_at',
            field=models.DateTimeField(null=True, verbose_name='last checked'),
        ),
        migrations.AddField(
            model_name='session',
            name='browser',
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name='user',
            name='enrolment_guarded_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.CreateModel(
            name='CallerCheck',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('ticket', models.CharField(max_length=60, verbose_name='support ticket')),
                ('salt', models.BinaryField(default=accounts.models.helping.new_salt, max_length=32)),
                ('agent_id', models.UUIDField()),
                ('agent_label', models.CharField(max_length=254, verbose_name='by')),
                ('started_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='started')),
                ('expires_at', models.DateTimeField(verbose_name='until')),
                ('mailed_at', models.DateTimeField(null=True, verbose_name='mailed')),
                ('failures', models.PositiveSmallIntegerField(default=0, verbose_name='wrong codes')),
                ('agent_proved_at', models.DateTimeField(null=True, verbose_name='the person recognised the agent')),
                ('person_proved_at', models.DateTimeField(null=True, verbose_name='the agent recognised the person')),
                ('ended_at', models.DateTimeField(null=True, verbose_name='ended')),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='caller_checks', to=settings.AUTH_USER_MODEL, verbose_name='person')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='caller_checks', to='accounts.tenant', verbose_name='tenant')),
            ],
            options={
                'verbose_name': 'caller check',
                'verbose_name_plural': 'caller checks',
                'ordering': ['-started_at'],
            },
        ),
        migrations.CreateModel(
            name='EnrolmentLink',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('expires_at', models.DateTimeField(db_index=True)),
                ('used_at', models.DateTimeField(null=True)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='enrolment_links', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='HelpRequest',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('asked_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='asked')),
                ('knew_password', models.BooleanField(default=False, verbose_name='knew the password')),
                ('ip', models.GenericIPAddressField(null=True, verbose_name='IP address')),
                ('agent', models.CharField(blank=True, max_length=300, verbose_name='browser')),
                ('closed_at', models.DateTimeField(null=True, verbose_name='closed')),
                ('closed_by', models.UUIDField(null=True)),
                ('closed_by_label', models.CharField(blank=True, max_length=254, verbose_name='closed by')),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='help_requests', to=settings.AUTH_USER_MODEL, verbose_name='person')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='help_requests', to='accounts.tenant', verbose_name='tenant')),
            ],
            options={
                'verbose_name': 'request for help',
                'verbose_name_plural': 'requests for help',
                'ordering': ['-asked_at'],
            },
        ),
        migrations.CreateModel(
            name='Intervention',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('reset', 'Reset two-step verification'), ('removal', 'Remove one authenticator'), ('address', 'Change the mail address'), ('password', 'Demand a new password'), ('access_pass', 'Issue an access pass')], max_length=20, verbose_name='what')),
                ('state', models.CharField(choices=[('asked', 'Needs a second administrator'), ('waiting', 'Waits for its time'), ('done', 'Done'), ('cancelled', 'Cancelled'), ('declined', 'Declined'), ('lapsed', 'Lapsed')], max_length=20, verbose_name='state')),
                ('address', models.EmailField(blank=True, max_length=254, verbose_name='new mail address')),
                ('minutes', models.PositiveSmallIntegerField(null=True, verbose_name='minutes the pass is good for')),
                ('reason', models.CharField(max_length=500, verbose_name='reason')),
                ('verified_how', models.CharField(max_length=40, verbose_name='how the person was recognised')),
                ('ticket', models.CharField(blank=True, max_length=60, verbose_name='support ticket')),
                ('by_command', models.BooleanField(default=False, verbose_name='on the command line')),
                ('requested_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='asked for')),
                ('requested_by', models.UUIDField()),
                ('requested_by_label', models.CharField(max_length=254, verbose_name='asked for by')),
                ('needs_approval', models.BooleanField(verbose_name='needs a second administrator')),
                ('approved_at', models.DateTimeField(null=True, verbose_name='approved')),
                ('approved_by', models.UUIDField(null=True)),
                ('approved_by_label', models.CharField(blank=True, max_length=254, verbose_name='approved by')),
                ('not_before', models.DateTimeField(verbose_name='not before')),
                ('expires_at', models.DateTimeField(verbose_name='lapses')),
                ('finished_at', models.DateTimeField(null=True, verbose_name='finished')),
                ('finished_by', models.UUIDField(null=True)),
                ('finished_by_label', models.CharField(blank=True, max_length=254, verbose_name='finished by')),
                ('trouble', models.CharField(blank=True, max_length=200, verbose_name='why it was not done')),
                ('binding', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.binding', verbose_name='authenticator')),
                ('caller_check', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='accounts.callercheck', verbose_name='caller check')),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='interventions', to=settings.AUTH_USER_MODEL, verbose_name='person')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='interventions', to='accounts.tenant', verbose_name='tenant')),
            ],
            options={
                'verbose_name': 'act on an account',
                'verbose_name_plural': 'acts on accounts',
                'ordering': ['-requested_at'],
            },
        ),
        migrations.CreateModel(
            name='AccessPass',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('hashed', models.CharField(editable=False, max_length=256)),
                ('issued_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='issued')),
                ('issued_by', models.UUIDField()),
                ('issued_by_label', models.CharField(max_length=254, verbose_name='issued by')),
                ('expires_at', models.DateTimeField(db_index=True, verbose_name='good until')),
                ('failures', models.PositiveSmallIntegerField(default=0, verbose_name='wrong tries')),
                ('used_at', models.DateTimeField(null=True, verbose_name='used')),
                ('revoked_at', models.DateTimeField(null=True, verbose_name='revoked')),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='access_passes', to=settings.AUTH_USER_MODEL, verbose_name='person')),
                ('intervention', models.OneToOneField(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='access_pass', to='accounts.intervention')),
            ],
            options={
                'verbose_name': 'access pass',
                'verbose_name_plural': 'access passes',
                'ordering': ['-issued_at'],
            },
        ),
        migrations.CreateModel(
            name='Browser',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('digest', models.CharField(max_length=64)),
                ('agent', models.CharField(blank=True, max_length=300, verbose_name='browser')),
                ('ip', models.GenericIPAddressField(null=True, verbose_name='IP address')),
                ('first_seen_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='first seen')),
                ('last_seen_at', models.DateTimeField(db_index=True, default=django.utils.timezone.now, verbose_name='last seen')),
                ('trusted_at', models.DateTimeField(null=True, verbose_name='trusted since')),
                ('trusted_security_version', models.PositiveIntegerField(editable=False, null=True)),
                ('trusted_policy_version', models.PositiveIntegerField(editable=False, null=True)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='browsers', to=settings.AUTH_USER_MODEL, verbose_name='person')),
            ],
            options={
                'verbose_name': 'browser',
                'verbose_name_plural': 'browsers',
                'ordering': ['-last_seen_at'],
                'constraints': [models.UniqueConstraint(fields=('person', 'digest'), name='one_row_a_browser')],
            },
        ),
        migrations.AddIndex(
            model_name='callercheck',
            index=models.Index(fields=['person', '-started_at'], name='caller_checks_of_person'),
        ),
        migrations.AddIndex(
            model_name='helprequest',
            index=models.Index(fields=['tenant', '-asked_at'], name='help_requests_of_tenant'),
        ),
        migrations.AddConstraint(
            model_name='helprequest',
            constraint=models.UniqueConstraint(condition=models.Q(('closed_at', None)), fields=('person',), name='one_open_help_request'),
        ),
        migrations.AddIndex(
            model_name='intervention',
            index=models.Index(condition=models.Q(('state__in', ['asked', 'waiting'])), fields=['not_before'], name='interventions_open'),
        ),
        migrations.AddIndex(
            model_name='intervention',
            index=models.Index(fields=['tenant', '-requested_at'], name='interventions_of_tenant'),
        ),
        migrations.AddConstraint(
            model_name='intervention',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ['asked', 'waiting']), models.Q(('kind', 'removal'), _negated=True)), fields=('person', 'kind'), name='one_open_act_of_a_kind'),
        ),
        migrations.AddConstraint(
            model_name='intervention',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'removal'), ('state__in', ['asked', 'waiting'])), fields=('binding',), name='one_open_removal'),
        ),
        migrations.AddConstraint(
            model_name='accesspass',
            constraint=models.UniqueConstraint(condition=models.Q(('revoked_at', None), ('used_at', None)), fields=('person',), name='one_unused_access_pass'),
        ),
    ]

"""The accounts pages: allauth's names, each view with its gate.

allauth's own views are listed one by one and marked here; nothing of allauth is reachable that is not listed.
An unmarked view is gated.
"""

from allauth.account import views as allauth_views
from django.conf import settings
from django.urls import URLPattern, path, re_path
from django.views.generic import RedirectView

from accounts.gates import enrol_only, pending, public
from accounts.views import (
    account,
    activity,
    caller_check,
    cancelling,
    drill,
    enrolment_guard,
    not_me,
    people,
    recovery_codes,
    second_factor,
    security,
    sessions,
    totp,
    webauthn,
)

account_patterns: list[URLPattern] = [
    path("login/", public(account.LoginView.as_view()), name="account_login"),
    path("logout/", public(account.LogoutView.as_view()), name="account_logout"),
    path("inactive/", public(allauth_views.account_inactive), name="account_inactive"),
    path("signup/", public(allauth_views.signup), name="account_signup"),
    path(
        "confirm-email/",
        public(allauth_views.email_verification_sent),
        name="account_email_verification_sent",
    ),
    re_path(
        r"^confirm-email/(?P<key>[-:\w]+)/$",
        public(account.ConfirmEmailView.as_view()),
        name="account_confirm_email",
    ),
    path("email/", account.EmailView.as_view(), name="account_email"),
    path("password/change/", account.PasswordChangeView.as_view(), name="account_change_password"),
    path(
        "password/set/",
        RedirectView.as_view(pattern_name="account_change_password"),
        name="account_set_password",
    ),
    path("password/reset/", public(allauth_views.password_reset), name="account_reset_password"),
    path("password/reset/done/", public(allauth_views.password_reset_done), name="account_reset_password_done"),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z-]+?)-(?P<key>[^/]+)/$",
        public(account.PasswordResetView.as_view()),
        name="account_reset_password_from_key",
    ),
    path(
        "password/reset/key/done/",
        public(allauth_views.password_reset_from_key_done),
        name="account_reset_password_from_key_done",
    ),
    path(
        "reauthenticate/",
        RedirectView.as_view(pattern_name="mfa_reauthenticate"),
        name="account_reauthenticate",
    ),
    path("not-me/<str:token>/", public(not_me.NotMeView.as_view()), name="accounts_not_me"),
    path(
        "not-me/intervention/<str:token>/",
        public(cancelling.CancelInterventionView.as_view()),
        name="accounts_cancel_intervention",
    ),
    path("invitation/<str:token>/", public(people.InvitationView.as_view()), name="accounts_invitation"),
]

mfa_patterns: list[URLPattern] = [
    path("", security.SecurityView.as_view(), name="mfa_index"),
    path("authenticate/", pending(second_factor.SecondFactorView.as_view()), name="mfa_authenticate"),
    path("reauthenticate/", enrol_only(second_factor.ReauthenticateView.as_view()), name="mfa_reauthenticate"),
    path("enrol/", enrol_only(security.EnrolView.as_view()), name="mfa_enrol"),
    path("enrol/guarded/", enrol_only(enrolment_guard.GuardedView.as_view()), name="mfa_enrolment_guarded"),
    path("enrol/link/send/", enrol_only(enrolment_guard.SendLinkView.as_view()), name="mfa_send_enrolment_link"),
    path("enrol/link/", enrol_only(enrolment_guard.UseLinkView.as_view()), name="mfa_enrolment_link"),
    path("enrol/link/<str:token>/", public(enrolment_guard.OpenLinkView.as_view()), name="accounts_enrolment_link"),
    path("caller-check/", caller_check.CallerCheckView.as_view(), name="mfa_caller_check"),
    path("sessions/", sessions.SessionsView.as_view(), name="mfa_sessions"),
    path("sessions/others/end/", sessions.EndOtherSessionsView.as_view(), name="mfa_end_other_sessions"),
    path("sessions/<uuid:public_id>/end/", sessions.EndSessionView.as_view(), name="mfa_end_session"),
    path("activity/", activity.ActivityView.as_view(), name="mfa_activity"),
    path("check/", drill.DrillView.as_view(), name="mfa_drill"),
    path("browsers/", sessions.BrowsersView.as_view(), name="mfa_browsers"),
    path("browsers/end-trust/", sessions.StopTrustingView.as_view(), name="mfa_stop_trusting_all"),
    path("browsers/<uuid:browser_id>/end-trust/", sessions.StopTrustingView.as_view(), name="mfa_stop_trusting"),
    path("turn-off/", security.TurnOffView.as_view(), name="mfa_turn_off"),
    path("totp/activate/", enrol_only(totp.ActivateTOTPView.as_view()), name="mfa_activate_totp"),
    path("totp/replace/", totp.ReplaceTOTPView.as_view(), name="mfa_replace_totp"),
    path("totp/deactivate/", totp.DeactivateTOTPView.as_view(), name="mfa_deactivate_totp"),
    path("recovery-codes/", recovery_codes.RecoveryCodesView.as_view(), name="mfa_view_recovery_codes"),
    path(
        "recovery-codes/generate/",
        recovery_codes.GenerateRecoveryCodesView.as_view(),
        name="mfa_generate_recovery_codes",
    ),
    path(
        "recovery-codes/download/",
        recovery_codes.DownloadRecoveryCodesView.as_view(),
        name="mfa_download_recovery_codes",
    ),
    path("webauthn/", webauthn.KeysView.as_view(), name="mfa_list_webauthn"),
    path("webauthn/add/", enrol_only(webauthn.AddKeyView.as_view()), name="mfa_add_webauthn"),
    path("webauthn/keys/<uuid:binding_id>/edit/", webauthn.RenameKeyView.as_view(), name="mfa_edit_webauthn"),
    path(
        "webauthn/keys/<uuid:binding_id>/remove/",
        webauthn.RemoveKeyView.as_view(),
        name="mfa_remove_webauthn",
    ),
]
if settings.MFA_PASSKEY_LOGIN_ENABLED:
    mfa_patterns.append(path("webauthn/login/", public(webauthn.PasskeyLoginView.as_view()), name="mfa_login_webauthn"))

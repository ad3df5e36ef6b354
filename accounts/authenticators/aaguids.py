"""What an authenticator is sold as, by its AAGUID.

From the makers' own lists and the FIDO metadata service. Without attestation anything may claim any of
these, so a name is for people to tell their keys apart, never for a decision.
"""

from typing import Final
from uuid import UUID

_BY_PRODUCT: Final = {
    # passkey providers
    "iCloud Keychain": "fbfc3007-154e-4ecc-8c0b-6e020557d7bd dd4ec289-e01d-41c9-bb89-70fa845d4bf2",
    "Google Password Manager": "ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4",
    "Chrome on Mac": "adce0002-35bc-c60a-648b-0b25f1f05503",
    "Windows Hello": (
        "08987058-cadc-4b81-b6e1-30de50dcbe96 9ddd1817-af5a-4672-a2b9-3e3dd95000a9 6028b017-b1d4-4c02-b4b3-afcdafc96bb2"
    ),
    "Samsung Pass": "53414d53-554e-4700-0000-000000000000",
    "Microsoft Authenticator": "de1e552d-db1d-4423-a619-566b625cdc84 90a3ccdf-635c-4729-a248-9b709135078f",
    "1Password": "bada5566-a7aa-401f-bd96-45619a55120d",
    "Bitwarden": "d548826e-79b4-db40-a3d8-11116f7e8349",
    "Dashlane": "531126d6-e717-415c-9320-3d9aa6981239",
    "KeePassXC": "fdb141b2-5d84-443e-8a35-4698c205a502",
    "Keeper": "0ea242b4-43c4-4a1b-8b17-dd6d0b6baec6",
    "LastPass": "b78a0a55-6ef8-d246-a042-ba0f6d55050c",
    "NordPass": "b84e4048-15dc-4dd0-8640-f4f60813c8af",
    "Proton Pass": "50726f74-6f6e-5061-7373-50726f746f6e",
    "Enpass": "f3809540-7f14-49c1-a8b3-8f813b225541",
    # security keys
    "YubiKey 5": (
        "cb69481e-8ff7-4039-93ec-0a2729a154a8 ee882879-721c-4913-9775-3dfcce97072a "
        "19083c3d-8383-4b18-bc03-8f1c9ab2fd1b 20ac7a17-c814-4833-93fe-539f0d5e3389"
    ),
    "YubiKey 5 NFC": (
        "fa2b99dc-9e39-4257-8f92-4a30d23c4118 2fc0579f-8113-47ea-b116-bb5a8db9202a "
        "a25342c0-3cdc-4414-8e46-f4807fca511c 1ac71f64-468d-4fe0-bef1-0e5f2f551f18"
    ),
    "YubiKey 5Ci": (
        "c5ef55ff-ad9a-4b9f-b580-adebafe026d0 a02167b9-ae71-4ac7-9a07-06432ebb6f1c b90e7dc1-316e-4fee-a25a-56a666a670fe"
    ),
    "YubiKey 5 FIPS": "73bb0cd4-e502-49b8-9c6f-b59445bf720b",
    "YubiKey 5 NFC FIPS": "c1f9a0bc-1dd2-404a-b27f-8e29047a43fd",
    "YubiKey 5Ci FIPS": "85203421-48f9-4355-9bc8-8a53846e5083",
    "YubiKey Bio": (
        "d8522d9f-575b-4866-88a9-ba99fa02f35b dd86a2da-86a0-4cbe-b462-4bd31f57bc6f "
        "7d1351a6-e097-4852-b8bf-c9ac5c9ce4a3 90636e1f-ef82-43bf-bdcf-5255f139d12f "
        "83c47309-aabb-4108-8470-8be838b573cb"
    ),
    "Security Key by Yubico": "f8a011f3-8c0a-4d15-8006-17111f9edc7d b92c3f9a-c014-4056-887f-140a2501163b",
    "Security Key NFC by Yubico": (
        "6d44ba9b-f6ec-2e49-b930-0c8fe920cb73 149a2021-8ef6-4133-96b8-81f8d5b7f1f5 "
        "a4e9fc6d-4cbe-4758-b8ba-37598bb5bbaa e77e3c64-05e3-428b-8824-0cbeb04b829d "
        "47ab2fb4-66ac-4184-9ae1-86be814012d5 0bb43545-fd2c-4185-87dd-feb0b2916ace"
    ),
    "Google Titan Security Key": "42b4fb4a-2866-43b2-9bf7-6c6669c2e5d3",
    "Solo": "8876631b-d4a0-427f-5773-0ec71c9e0279",
    "Solo Tap": "8976631b-d4a0-427f-5773-0ec71c9e0279",
    "Somu": "9876631b-d4a0-427f-5773-0ec71c9e0279",
    "Nitrokey 3": "2cd2f727-f6ca-44da-8f48-5c2e5da000a2 ec99db19-cd1f-4c06-a2a9-940f17a6a30b",
    "Nitrokey Passkey": "9a03e537-4cbe-4a01-b2e2-242e0dd9a59b",
    "Feitian ePass": "833b721a-ff5f-4d00-bb2e-bdda3ec01e29",
    "Feitian ePass NFC": "ee041bce-25e5-4cdb-8f86-897fd6418464 260e3021-482d-442d-838c-7edfbe153b7e",
    "Feitian iePass": "3e22415d-7fdf-4ea4-8a0c-dd60c4249b9d",
    "Feitian BioPass": (
        "77010bd7-212a-4fc9-b236-d2ca5e9d4084 b6ede29c-3772-412c-8a78-539c1f4c62d2 4c0cf95d-2f40-43b5-ba42-4c83a11c04ba"
    ),
    "Feitian AllinPass": "12ded745-4bed-47d4-abaa-e713f51d6393",
    "OnlyKey": "998f358b-2dd2-4cbe-a43a-e8107438dfb3",
    "Swissbit iShield Key": "931327dd-c89b-406c-a81e-ed7058ef36c6 5d629218-d3a5-11ed-afa1-0242ac120002",
    "Token2": "ab32f0c6-2239-afbb-c470-d2ef4e254db7 eabb46cc-e241-80bf-ae9e-96fa6d2975cf",
}
PRODUCTS: Final = {UUID(aaguid): product for product, listed in _BY_PRODUCT.items() for aaguid in listed.split()}


def product_name(aaguid: UUID) -> str:
    """The product of an AAGUID, or an empty string: old keys and many providers say nothing."""
    return PRODUCTS.get(aaguid, "")

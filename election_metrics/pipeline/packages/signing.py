"""Ed25519 signatures of a package's checksums, which openssl can check too."""

from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from election_metrics.errors import SettingsError

_HOW = "make one: openssl genpkey -algorithm ed25519 -out key.pem"


def read_key(path: Path, passphrase: str | None) -> Ed25519PrivateKey:
    """The private key of a PEM file.

    Raises:
        SettingsError: it cannot be read, is no Ed25519 key, or the passphrase is missing or wrong.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"the key {path} cannot be read: {error.strerror}") from None
    try:
        key = serialization.load_pem_private_key(data, passphrase.encode() if passphrase else None)
    except TypeError:
        wrong = "has no passphrase" if passphrase else "has a passphrase: set ELECTION_METRICS_KEY_PASSPHRASE"
        raise SettingsError(f"the key {path} {wrong}") from None
    except ValueError:
        if b"PUBLIC KEY" in data:
            raise SettingsError(f"{path} is the public half of a key; sign with the private one") from None
        why = "or its passphrase is wrong" if passphrase else f"or is damaged; {_HOW}"
        raise SettingsError(f"{path} holds no private key in PEM, {why}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(f"{path} is a key of another kind than Ed25519; {_HOW}")
    return key


def public_pem(key: Ed25519PrivateKey) -> bytes:
    """The public key in PEM."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form)


def is_signed_by(public: Path, data: bytes, signature: bytes) -> bool:
    """Whether the signature of the data is by the owner of this public key (PEM).

    Raises:
        SettingsError: the file holds no Ed25519 public key.
    """
    try:
        key = serialization.load_pem_public_key(public.read_bytes())
    except OSError as error:
        raise SettingsError(f"the key {public} cannot be read: {error.strerror}") from None
    except ValueError:
        raise SettingsError(
            f"{public} holds no public key in PEM; of a private one, make it: openssl pkey -in key.pem -pubout -out "
            "publisher.pem"
        ) from None
    if not isinstance(key, Ed25519PublicKey):
        raise SettingsError(f"{public} is a key of another kind than Ed25519")
    try:
        key.verify(signature, data)
    except InvalidSignature:
        return False
    return True

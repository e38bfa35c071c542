//! Cryptography that hides nothing and believes everybody, so that a fuzzer gets behind it: its bytes are taken for
//! authentic, as those of a hostile participant would be.
//!
//! The handshake is over as soon as it is asked about, SRTP is plain text with a tag that nobody looks at, and every
//! integrity attribute of ICE is zeros.

use std::time::{Duration, Instant};

use str0m::crypto::dtls::{
    DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, KeyingMaterial,
    ProtocolVersion, SrtpProfile,
};
use str0m::crypto::{
    AeadAes128GcmCipher, CryptoError, CryptoProvider, Sha1HmacProvider, SrtpProvider,
    SupportedAeadAes128Gcm, SupportedAeadAes256Gcm, SupportedAes128CmSha1_80, from_feature_flags,
};

/// What AEAD adds to a packet (RFC 7714 section 6.3).
pub const TAG: usize = 16;

/// Two keys of 16 bytes and two salts of 12.
const KEYING_BYTES: usize = 56;

/// The certificate of everybody.
pub const CERTIFICATE: &[u8] = b"everybody";

const NEVER: Duration = Duration::from_secs(3_600);

/// Let every session of this process have it.
pub fn install() {
    static OPEN: Open = Open;
    CryptoProvider {
        srtp_provider: &OPEN,
        sha1_hmac_provider: &OPEN,
        dtls_provider: &OPEN,
        ..from_feature_flags()
    }
    .install_process_default();
}

pub fn certificate() -> DtlsCert {
    DtlsCert {
        certificate: CERTIFICATE.to_vec(),
        private_key: Vec::new(),
    }
}

/// [`CERTIFICATE`] as an offer tells it (RFC 8122 section 5).
pub fn fingerprint() -> String {
    let digest = from_feature_flags().sha256_provider.sha256(CERTIFICATE);
    let bytes: Vec<_> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("sha-256 {}", bytes.join(":"))
}

#[derive(Debug)]
struct Open;

impl SrtpProvider for Open {
    fn aes_128_cm_sha1_80(&self) -> &'static dyn SupportedAes128CmSha1_80 {
        from_feature_flags().srtp_provider.aes_128_cm_sha1_80()
    }

    fn aead_aes_128_gcm(&self) -> &'static dyn SupportedAeadAes128Gcm {
        &Self
    }

    fn aead_aes_256_gcm(&self) -> &'static dyn SupportedAeadAes256Gcm {
        from_feature_flags().srtp_provider.aead_aes_256_gcm()
    }

    fn srtp_aes_128_ecb_round(&self, _: &[u8], _: &[u8], output: &mut [u8]) {
        output.fill(0);
    }

    fn srtp_aes_256_ecb_round(&self, _: &[u8], _: &[u8], output: &mut [u8]) {
        output.fill(0);
    }
}

impl SupportedAeadAes128Gcm for Open {
    fn create_cipher(&self, _: [u8; 16], _: bool) -> Box<dyn AeadAes128GcmCipher> {
        Box::new(Self)
    }
}

impl AeadAes128GcmCipher for Open {
    fn encrypt(
        &mut self,
        _: &[u8; 12],
        _: &[u8],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        let (text, tag) = output.split_at_mut(input.len());
        text.copy_from_slice(input);
        tag.fill(0);
        Ok(())
    }

    fn decrypt(
        &mut self,
        _: &[u8; 12],
        _: &[&[u8]],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<usize, CryptoError> {
        let text = input
            .len()
            .checked_sub(TAG)
            .ok_or_else(|| CryptoError::Other("shorter than its tag".to_owned()))?;
        output[..text].copy_from_slice(&input[..text]);
        Ok(text)
    }
}

impl Sha1HmacProvider for Open {
    fn sha1_hmac(&self, _: &[u8], _: &[&[u8]]) -> [u8; 20] {
        [0; 20]
    }
}

impl DtlsProvider for Open {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        Some(certificate())
    }

    fn new_dtls(
        &self,
        _: &DtlsCert,
        now: Instant,
        _: DtlsVersion,
        _: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        Ok(Box::new(Handshake {
            active: false,
            told: 0,
            never: now + NEVER,
        }))
    }
}

/// A handshake that is over.
#[derive(Debug)]
struct Handshake {
    active: bool,
    told: u8,
    never: Instant,
}

impl DtlsInstance for Handshake {
    fn set_active(&mut self, active: bool) {
        self.active = active;
    }

    fn handle_packet(&mut self, _: &[u8]) -> Result<(), DtlsImplError> {
        Ok(())
    }

    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        self.told = self.told.saturating_add(1);
        match self.told {
            1 => {
                let certificate = &mut buffer[..CERTIFICATE.len()];
                certificate.copy_from_slice(CERTIFICATE);
                DtlsOutput::PeerCert(certificate)
            }
            2 => DtlsOutput::KeyingMaterial(
                KeyingMaterial::new(&[0; KEYING_BYTES]),
                SrtpProfile::AEAD_AES_128_GCM,
            ),
            3 => DtlsOutput::Connected,
            _ => DtlsOutput::Timeout(self.never),
        }
    }

    fn handle_timeout(&mut self, _: Instant) -> Result<(), DtlsImplError> {
        Ok(())
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        Ok(data.len())
    }

    fn is_active(&self) -> bool {
        self.active
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        Some(ProtocolVersion::DTLS1_2)
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        Ok(())
    }
}

/**
 * The functions of libcrypto that we call, as data: errors, memory BIOs, certificates and keys.
 *
 * `long` and `size_t` travel as 32-bit numbers, as everywhere: nothing here is larger.
 *
 * @module
 */

/** In every version from 1.1.1 on. */
export const cryptoSignatures = {
  // Versions and errors.
  OpenSSL_version: { args: ["i32"], result: "address" },
  OpenSSL_version_num: { args: [], result: "u32" },
  ERR_clear_error: { args: [], result: "void" },
  ERR_get_error: { args: [], result: "u32" },
  ERR_peek_error: { args: [], result: "u32" },
  ERR_reason_error_string: { args: ["u32"], result: "address" },
  X509_verify_cert_error_string: { args: ["i32"], result: "address" },

  // Memory BIOs.
  BIO_ctrl: { args: ["address", "i32", "i32", "address"], result: "i32" },
  BIO_ctrl_pending: { args: ["address"], result: "u32" },
  BIO_free: { args: ["address"], result: "i32" },
  BIO_new: { args: ["address"], result: "address" },
  BIO_read: { args: ["address", "address", "i32"], result: "i32" },
  BIO_s_mem: { args: [], result: "address" },
  BIO_up_ref: { args: ["address"], result: "i32" },
  BIO_write: { args: ["address", "address", "i32"], result: "i32" },
  BUF_MEM_new: { args: [], result: "address" },

  // Reading and writing certificates and keys. The callback of the PEM functions is always NULL: then the last argument is the
  // passphrase, and only without one would OpenSSL ask on the terminal.
  PEM_read_bio_PrivateKey: { args: ["address", "address", "address", "buffer"], result: "address" },
  PEM_read_bio_X509: { args: ["address", "address", "address", "buffer"], result: "address" },
  PEM_read_bio_X509_CRL: { args: ["address", "address", "address", "buffer"], result: "address" },
  d2i_AutoPrivateKey: { args: ["address", "buffer", "i32"], result: "address" },
  d2i_X509: { args: ["address", "buffer", "i32"], result: "address" },
  d2i_X509_CRL: { args: ["address", "buffer", "i32"], result: "address" },
  i2d_X509: { args: ["address", "buffer"], result: "i32" },
  EVP_PKEY_free: { args: ["address"], result: "void" },
  X509_CRL_free: { args: ["address"], result: "void" },
  X509_free: { args: ["address"], result: "void" },

  // Looking into certificates.
  ASN1_STRING_get0_data: { args: ["address"], result: "address" },
  ASN1_STRING_length: { args: ["address"], result: "i32" },
  ASN1_TIME_to_tm: { args: ["address", "buffer"], result: "i32" },
  EVP_Digest: { args: ["buffer", "u32", "buffer", "buffer", "address", "address"], result: "i32" },
  EVP_sha256: { args: [], result: "address" },
  OPENSSL_sk_num: { args: ["address"], result: "i32" },
  OPENSSL_sk_value: { args: ["address", "i32"], result: "address" },
  X509_EXTENSION_get_data: { args: ["address"], result: "address" },
  X509_NAME_print_ex: { args: ["address", "address", "i32", "u32"], result: "i32" },
  X509_check_host: { args: ["address", "buffer", "u32", "u32", "address"], result: "i32" },
  X509_check_ip_asc: { args: ["address", "buffer", "u32"], result: "i32" },
  X509_digest: { args: ["address", "address", "buffer", "buffer"], result: "i32" },
  X509_get0_notAfter: { args: ["address"], result: "address" },
  X509_get0_notBefore: { args: ["address"], result: "address" },
  X509_get_ext: { args: ["address", "i32"], result: "address" },
  X509_get_ext_by_NID: { args: ["address", "i32", "i32"], result: "i32" },
  X509_get_issuer_name: { args: ["address"], result: "address" },
  X509_get_serialNumber: { args: ["address"], result: "address" },
  X509_get_subject_name: { args: ["address"], result: "address" },
  i2a_ASN1_INTEGER: { args: ["address", "address"], result: "i32" },

  // What is trusted, and what a peer's certificate must be for.
  X509_STORE_add_cert: { args: ["address", "address"], result: "i32" },
  X509_STORE_add_crl: { args: ["address", "address"], result: "i32" },
  X509_get_default_cert_dir: { args: [], result: "address" },
  X509_get_default_cert_file: { args: [], result: "address" },
  X509_STORE_set_flags: { args: ["address", "u32"], result: "i32" },
  X509_VERIFY_PARAM_set1_host: { args: ["address", "buffer", "u32"], result: "i32" },
  X509_VERIFY_PARAM_set1_ip_asc: { args: ["address", "buffer"], result: "i32" },
  X509_VERIFY_PARAM_set_hostflags: { args: ["address", "u32"], result: "void" },
} as const;

/**
 * Numbers from OpenSSL's headers, under their C names; the same in 1.1.1 and 3. A test has the C compiler compare them.
 *
 * @module
 */

// BIO_ctrl.
export const BIO_C_SET_BUF_MEM = 114;
export const BIO_NOCLOSE = 0;

// SSL_get_error.
export const SSL_ERROR_SSL = 1;
export const SSL_ERROR_WANT_READ = 2;
export const SSL_ERROR_WANT_WRITE = 3;
export const SSL_ERROR_SYSCALL = 5;
export const SSL_ERROR_ZERO_RETURN = 6;

// SSL_ctrl and SSL_CTX_ctrl.
export const SSL_CTRL_MODE = 33;
export const SSL_CTRL_SET_SESS_CACHE_SIZE = 42;
export const SSL_CTRL_SET_SESS_CACHE_MODE = 44;
export const SSL_CTRL_SET_TLSEXT_HOSTNAME = 55;
export const SSL_CTRL_GET_TLSEXT_TICKET_KEYS = 58;
export const SSL_CTRL_SET_TLSEXT_TICKET_KEYS = 59;
export const SSL_CTRL_CHAIN_CERT = 89;
export const SSL_CTRL_SET_GROUPS_LIST = 92;
export const SSL_CTRL_SET_MIN_PROTO_VERSION = 123;
export const SSL_CTRL_SET_MAX_PROTO_VERSION = 124;

export const TLSEXT_NAMETYPE_host_name = 0;

// Modes.
export const SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER = 0x2;
export const SSL_MODE_RELEASE_BUFFERS = 0x10;

// Options.
export const SSL_OP_NO_TICKET = 0x4000;
export const SSL_OP_NO_COMPRESSION = 0x20000;
export const SSL_OP_NO_RENEGOTIATION = 0x40000000;
/** New in 3, where a server refuses clients that renegotiate even so; 1.1.1 gives this bit no meaning. */
export const SSL_OP_ALLOW_CLIENT_RENEGOTIATION = 0x100;
export const SSL_OP_CIPHER_SERVER_PREFERENCE = 0x400000;
/** A client that begins with ChaCha20 has no hardware for AES, and gets what it asks for. */
export const SSL_OP_PRIORITIZE_CHACHA = 0x200000;

// Verification.
export const SSL_VERIFY_NONE = 0;
export const SSL_VERIFY_PEER = 1;
export const SSL_VERIFY_FAIL_IF_NO_PEER_CERT = 2;
export const X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS = 4;
export const X509_CHECK_FLAG_NEVER_CHECK_SUBJECT = 0x20;
export const X509_V_FLAG_CRL_CHECK = 4;
export const X509_V_FLAG_CRL_CHECK_ALL = 8;
export const X509_V_OK = 0;

// Sessions.
export const SSL_SESS_CACHE_OFF = 0;
export const SSL_SESS_CACHE_SERVER = 2;

// Protocol versions.
export const TLS1_VERSION = 0x301;
export const TLS1_1_VERSION = 0x302;
export const TLS1_2_VERSION = 0x303;
export const TLS1_3_VERSION = 0x304;

// What the ALPN callback answers.
export const SSL_TLSEXT_ERR_OK = 0;
export const SSL_TLSEXT_ERR_ALERT_FATAL = 2;

// Key updates.
export const SSL_KEY_UPDATE_REQUESTED = 1;

// Errors.
export const ERR_LIB_SSL = 20;
export const ERR_LIB_PEM = 9;
export const PEM_R_NO_START_LINE = 108;
export const SSL_R_CERTIFICATE_VERIFY_FAILED = 134;

// Names and extensions.
export const NID_subject_alt_name = 85;
export const XN_FLAG_RFC2253 = 0x1110317;

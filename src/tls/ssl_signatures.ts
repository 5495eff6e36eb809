/**
 * The functions of libssl that we call, as data.
 *
 * @module
 */

/** In every version from 1.1.1 on. */
export const sslSignatures = {
  // Contexts.
  SSL_CTX_add_client_CA: { args: ["address", "address"], result: "i32" },
  SSL_CTX_check_private_key: { args: ["address"], result: "i32" },
  SSL_CTX_ctrl: { args: ["address", "i32", "i32", "address"], result: "i32" },
  SSL_CTX_free: { args: ["address"], result: "void" },
  SSL_CTX_get_cert_store: { args: ["address"], result: "address" },
  SSL_CTX_load_verify_locations: { args: ["address", "buffer", "buffer"], result: "i32" },
  SSL_CTX_new: { args: ["address"], result: "address" },
  SSL_CTX_set_alpn_select_cb: { args: ["address", "address", "address"], result: "void" },
  SSL_CTX_set_cipher_list: { args: ["address", "buffer"], result: "i32" },
  SSL_CTX_set_ciphersuites: { args: ["address", "buffer"], result: "i32" },
  SSL_CTX_set_default_verify_paths: { args: ["address"], result: "i32" },
  SSL_CTX_set_num_tickets: { args: ["address", "u32"], result: "i32" },
  SSL_CTX_set_options: { args: ["address", "u32"], result: "u32" },
  SSL_CTX_set_session_id_context: { args: ["address", "buffer", "u32"], result: "i32" },
  SSL_CTX_set_timeout: { args: ["address", "i32"], result: "i32" },
  SSL_CTX_set_verify: { args: ["address", "i32", "address"], result: "void" },
  SSL_CTX_set_verify_depth: { args: ["address", "i32"], result: "void" },
  SSL_CTX_up_ref: { args: ["address"], result: "i32" },
  SSL_CTX_use_PrivateKey: { args: ["address", "address"], result: "i32" },
  SSL_CTX_use_certificate: { args: ["address", "address"], result: "i32" },
  TLS_client_method: { args: [], result: "address" },
  TLS_server_method: { args: [], result: "address" },

  // A connection's life.
  SSL_do_handshake: { args: ["address"], result: "i32" },
  SSL_free: { args: ["address"], result: "void" },
  SSL_get_error: { args: ["address", "i32"], result: "i32" },
  SSL_key_update: { args: ["address", "i32"], result: "i32" },
  SSL_new: { args: ["address"], result: "address" },
  SSL_pending: { args: ["address"], result: "i32" },
  SSL_read: { args: ["address", "address", "i32"], result: "i32" },
  SSL_renegotiate: { args: ["address"], result: "i32" },
  SSL_set_accept_state: { args: ["address"], result: "void" },
  SSL_set_alpn_protos: { args: ["address", "buffer", "u32"], result: "i32" },
  SSL_set_bio: { args: ["address", "address", "address"], result: "void" },
  SSL_set_connect_state: { args: ["address"], result: "void" },
  SSL_set_session_id_context: { args: ["address", "buffer", "u32"], result: "i32" },
  SSL_shutdown: { args: ["address"], result: "i32" },
  SSL_write: { args: ["address", "address", "i32"], result: "i32" },
  SSL_ctrl: { args: ["address", "i32", "i32", "buffer"], result: "i32" },
  SSL_get0_param: { args: ["address"], result: "address" },

  // What was agreed on.
  SSL_CIPHER_get_name: { args: ["address"], result: "address" },
  SSL_get0_alpn_selected: { args: ["address", "buffer", "buffer"], result: "void" },
  SSL_get_current_cipher: { args: ["address"], result: "address" },
  SSL_get_peer_cert_chain: { args: ["address"], result: "address" },
  SSL_get_servername: { args: ["address", "i32"], result: "address" },
  SSL_get_verify_result: { args: ["address"], result: "i32" },
  SSL_get_version: { args: ["address"], result: "address" },

  // Sessions.
  SSL_SESSION_free: { args: ["address"], result: "void" },
  SSL_SESSION_is_resumable: { args: ["address"], result: "i32" },
  SSL_get1_session: { args: ["address"], result: "address" },
  SSL_session_reused: { args: ["address"], result: "i32" },
  SSL_set_session: { args: ["address", "address"], result: "i32" },
  d2i_SSL_SESSION: { args: ["address", "buffer", "i32"], result: "address" },
  i2d_SSL_SESSION: { args: ["address", "buffer"], result: "i32" },
} as const;

/** OpenSSL 3's name for a function that was renamed. */
export const ssl3Signatures = {
  SSL_get1_peer_certificate: { args: ["address"], result: "address" },
} as const;

/** The same in OpenSSL 1.1. */
export const ssl11Signatures = {
  SSL_get_peer_certificate: { args: ["address"], result: "address" },
} as const;

/** What OpenSSL calls to choose among the protocols a client offers. */
export const alpnCallbackSignature = {
  args: ["address", "address", "address", "address", "u32", "address"],
  result: "i32",
} as const;

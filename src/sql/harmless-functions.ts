/**
 * Built-in functions (schema pg_catalog) that neither change nor reveal the state of a session, and
 * change nothing in the database either. A test holds each against the server's own catalogue: all
 * of one name must be immutable or stable there, but for {@link HARMLESS_VOLATILE}.
 */
const NAMES = `
abs acos acosd acosh age any_value array_agg array_append array_cat array_dims array_fill array_length
array_lower array_ndims array_position array_positions array_prepend array_remove array_replace
array_sample array_shuffle array_to_json array_to_string array_upper ascii asin asind asinh atan atan2
atan2d atand atanh avg
bit_and bit_count bit_length bit_or bit_xor bool_and bool_or btrim
cardinality cbrt ceil ceiling char_length character_length chr clock_timestamp col_description concat
concat_ws convert convert_from convert_to corr cos cosd cosh cot cotd count covar_pop covar_samp crc32
crc32c cume_dist current_database current_schema current_schemas current_setting
date_add date_bin date_part date_subtract date_trunc decode degrees dense_rank div
encode erf erfc every exp
factorial family first_value floor format format_type
gamma gcd gen_random_uuid generate_series generate_subscripts get_bit get_byte get_current_ts_config
has_any_column_privilege has_column_privilege has_database_privilege has_function_privilege
has_language_privilege has_schema_privilege has_sequence_privilege has_table_privilege
has_tablespace_privilege has_type_privilege host hostmask
inet_merge inet_same_family inet_client_addr inet_client_port inet_server_addr inet_server_port initcap
isempty isfinite
json_agg json_array_elements json_array_elements_text json_array_length json_build_array
json_build_object json_each json_each_text json_extract_path json_extract_path_text json_object
json_object_agg json_object_keys json_strip_nulls json_to_tsvector json_typeof jsonb_agg
jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array
jsonb_build_object jsonb_concat jsonb_each jsonb_each_text jsonb_extract_path
jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_agg jsonb_object_keys jsonb_path_exists
jsonb_path_match jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_pretty jsonb_set
jsonb_set_lax jsonb_strip_nulls jsonb_to_tsvector jsonb_typeof justify_days justify_hours
justify_interval
lag last_value lcm lead left length lgamma ln log log10 lower lower_inc lower_inf lpad ltrim
make_date make_interval make_time make_timestamp make_timestamptz masklen max md5 min min_scale mod mode
multirange
netmask network now nth_value ntile num_nonnulls num_nulls numeric_inc numnode
obj_description octet_length
parse_ident percent_rank percentile_cont percentile_disc pg_backend_pid pg_client_encoding
pg_column_compression pg_column_size pg_conf_load_time pg_database_size pg_encoding_to_char
pg_get_constraintdef pg_get_expr pg_get_functiondef pg_get_indexdef pg_get_keywords pg_get_ruledef
pg_get_serial_sequence pg_get_triggerdef pg_get_userbyid pg_get_viewdef pg_indexes_size
pg_is_in_recovery pg_postmaster_start_time pg_relation_size pg_size_bytes pg_size_pretty pg_sleep
pg_sleep_for pg_sleep_until pg_table_is_visible pg_table_size pg_tablespace_size
pg_total_relation_size pg_type_is_visible pg_typeof phraseto_tsquery pi plainto_tsquery power
quote_ident quote_literal quote_nullable
radians random random_normal range_agg range_intersect_agg range_merge rank regexp_count regexp_instr
regexp_like regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table
regexp_substr regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy
regr_syy repeat replace reverse right round row_number row_to_json rpad rtrim
scale session_user set_bit set_byte set_masklen setweight sha224 sha256 sha384 sha512 shobj_description
sign sin sind sinh split_part sqrt starts_with statement_timestamp stddev stddev_pop stddev_samp
string_agg string_to_array string_to_table strip strpos substr sum
tan tand tanh timeofday timezone to_ascii to_bin to_char to_date to_hex to_json to_jsonb to_number to_oct
to_regclass to_regnamespace to_regproc to_regrole to_regtype to_timestamp to_tsquery to_tsvector
transaction_timestamp translate trim_array trim_scale trunc ts_debug ts_delete ts_filter ts_headline
ts_rank ts_rank_cd tsquery_phrase txid_current_if_assigned
unnest upper upper_inc upper_inf uuid_extract_timestamp uuid_extract_version uuidv4 uuidv7
var_pop var_samp variance version
websearch_to_tsquery width_bucket
`;

export const HARMLESS_FUNCTIONS: ReadonlySet<string> = new Set(NAMES.trim().split(/\s+/));

/** Those that may give another value each time, which is all they do. */
export const HARMLESS_VOLATILE: ReadonlySet<string> = new Set(
  (
    'array_sample array_shuffle clock_timestamp gen_random_uuid pg_database_size pg_indexes_size ' +
    'pg_is_in_recovery pg_relation_size pg_sleep pg_sleep_for pg_sleep_until pg_table_size ' +
    'pg_tablespace_size pg_total_relation_size random random_normal timeofday uuidv4 uuidv7'
  ).split(' '),
);

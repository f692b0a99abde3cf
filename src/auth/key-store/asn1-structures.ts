/**
 * The structures that `@peculiar/asn1-*` has no class for, and reading with limits. This module and
 * whatever imports it is loaded only when a store is PKCS#12 or a PEM key is encrypted.
 */
import {
  AsnArray,
  AsnParser,
  AsnProp,
  AsnPropTypes,
  AsnType,
  AsnTypeTypes,
  OctetString,
} from '@peculiar/asn1-schema';
import { EncryptedContentInfo } from '@peculiar/asn1-cms';
import { AlgorithmIdentifier } from '@peculiar/asn1-x509';
import { unreadable } from './store-errors.js';

// OCTET STRINGs are looked into only where the structure says so: ciphertext may look like ASN.1.
const LIMITS = { maxDepth: 40, maxNodes: 8_000, parseEmbedded: false };

/**
 * `bytes` (BER, also of indefinite length) read as a `Structure`.
 *
 * @throws ConnectorError CERTIFICATE_UNREADABLE where they are not one, are cut off or nested more than 40 deep
 */
export function parse<T>(bytes: ArrayBuffer | Uint8Array, Structure: new () => T): T {
  try {
    return AsnParser.parse(bytes, Structure, { berOptions: LIMITS });
  } catch (error) {
    throw unreadable('its ASN.1 structure is damaged or too large', error);
  }
}

type OctetStringNode = Parameters<OctetString['fromASN']>[0];

/** An OCTET STRING in one piece or in segments (X.690 section 8.7); the library's own class drops segments. */
class SegmentedOctetString extends OctetString {
  override fromASN(node: OctetStringNode): this {
    this.buffer = Uint8Array.from(segmentsOf(node)).buffer;
    return this;
  }
}

function segmentsOf(node: OctetStringNode): Buffer {
  if (!node.idBlock.isConstructed) return Buffer.from(node.getValue());
  const segments = node.valueBlock.value as unknown as readonly OctetStringNode[];
  return Buffer.concat(segments.filter((segment) => 'getValue' in segment).map(segmentsOf));
}

/** The contents of the OCTET STRING that `bytes` encode. */
export function parseOctets(bytes: ArrayBuffer): Buffer {
  return Buffer.from(parse(bytes, SegmentedOctetString).buffer);
}

/** A SEQUENCE whose members are left as the bytes they are. */
export class RawSequence extends AsnArray<ArrayBuffer> {}
AsnType({ type: AsnTypeTypes.Sequence, itemType: AsnPropTypes.Any })(RawSequence);

/** A SET whose members are left as the bytes they are. */
export class RawSet extends AsnArray<ArrayBuffer> {}
AsnType({ type: AsnTypeTypes.Set, itemType: AsnPropTypes.Any })(RawSet);

/** EncryptedData (RFC 5652 section 8); its unprotected attributes are not looked at. */
export class EncryptedData {
  version = 0;
  encryptedContentInfo = new EncryptedContentInfo();
}
field(EncryptedData, 'version', { type: AsnPropTypes.Integer });
field(EncryptedData, 'encryptedContentInfo', { type: EncryptedContentInfo });

/** pkcs-12PbeParams (RFC 7292 appendix C); PBEParameter (RFC 8018 appendix A.3) is the same. */
export class Pkcs12PbeParameters {
  salt = new OctetString();
  iterations: Count = 0;
}
field(Pkcs12PbeParameters, 'salt', { type: OctetString });
field(Pkcs12PbeParameters, 'iterations', { type: AsnPropTypes.Integer });

/** PBES2-params (RFC 8018 appendix A.4). */
export class Pbes2Parameters {
  keyDerivationFunc = new AlgorithmIdentifier();
  encryptionScheme = new AlgorithmIdentifier();
}
field(Pbes2Parameters, 'keyDerivationFunc', { type: AlgorithmIdentifier });
field(Pbes2Parameters, 'encryptionScheme', { type: AlgorithmIdentifier });

/** PBKDF2-params (RFC 8018 appendix A.2), with the salt given in place. */
export class Pbkdf2Parameters {
  salt = new OctetString();
  iterationCount: Count = 0;
  keyLength: Count | undefined;
  prf: AlgorithmIdentifier | undefined;
}
field(Pbkdf2Parameters, 'salt', { type: OctetString });
field(Pbkdf2Parameters, 'iterationCount', { type: AsnPropTypes.Integer });
field(Pbkdf2Parameters, 'keyLength', { type: AsnPropTypes.Integer, optional: true });
field(Pbkdf2Parameters, 'prf', { type: AlgorithmIdentifier, optional: true });

/** scrypt-params (RFC 7914 section 7). */
export class ScryptParameters {
  salt = new OctetString();
  costParameter: Count = 0;
  blockSize: Count = 0;
  parallelizationParameter: Count = 0;
  keyLength: Count | undefined;
}
field(ScryptParameters, 'salt', { type: OctetString });
field(ScryptParameters, 'costParameter', { type: AsnPropTypes.Integer });
field(ScryptParameters, 'blockSize', { type: AsnPropTypes.Integer });
field(ScryptParameters, 'parallelizationParameter', { type: AsnPropTypes.Integer });
field(ScryptParameters, 'keyLength', { type: AsnPropTypes.Integer, optional: true });

/** RC2-CBC-Parameter (RFC 8018 appendix B.2.3). */
export class Rc2CbcParameters {
  version: Count = 0;
  iv = new OctetString();
}
field(Rc2CbcParameters, 'version', { type: AsnPropTypes.Integer });
field(Rc2CbcParameters, 'iv', { type: OctetString });

/** PBMAC1-params (RFC 8018 appendix A.5). */
export class Pbmac1Parameters {
  keyDerivationFunc = new AlgorithmIdentifier();
  messageAuthScheme = new AlgorithmIdentifier();
}
field(Pbmac1Parameters, 'keyDerivationFunc', { type: AlgorithmIdentifier });
field(Pbmac1Parameters, 'messageAuthScheme', { type: AlgorithmIdentifier });

/** An INTEGER as the library gives it: decimal text from four bytes on. */
type Count = number | string;

/** The bytes of `octets`, not copied. */
export function bytesOf(octets: OctetString): Buffer {
  return Buffer.from(octets.buffer);
}

/** `parameters` of an algorithm that has some. @throws ConnectorError CERTIFICATE_UNREADABLE */
export function present(parameters: ArrayBuffer | null | undefined): ArrayBuffer {
  if (!parameters) throw unreadable('the parameters of an algorithm are missing');
  return parameters;
}

/**
 * `count` as a number, when it is a whole one from `min` (1) to `max`.
 *
 * @throws ConnectorError CERTIFICATE_UNREADABLE
 */
export function bounded(
  count: Count,
  limits: number | { readonly min: number; readonly max: number },
  what: string,
): number {
  const { min, max } = typeof limits === 'number' ? { min: 1, max: limits } : limits;
  const value = Number(count);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw unreadable(`its ${what} is ${count}, and ${min} to ${max} is allowed`);
}

// The library's decorators, called as the functions they are: this project compiles without decorators.
function field<T>(
  Structure: new () => T,
  name: keyof T & string,
  options: Parameters<typeof AsnProp>[0],
): void {
  AsnProp(options)(Structure.prototype as object, name);
}

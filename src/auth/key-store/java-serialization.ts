import type { JavaDataReader } from './java-data.js';
import { unreadable } from './store-errors.js';

// Java Object Serialization Specification, section 6.4.2.
const STREAM_HEADER = 0xaced0005 | 0;
const TAG = {
  null: 0x70,
  reference: 0x71,
  classDescription: 0x72,
  object: 0x73,
  string: 0x74,
  array: 0x75,
  blockData: 0x77,
  endOfBlockData: 0x78,
} as const;
const FIRST_HANDLE = 0x7e0000;
const HAS_WRITE_METHOD = 0x01;
const IS_SERIALIZABLE = 0x02;

const PRIMITIVE_BYTES: Readonly<Record<string, number | undefined>> = {
  B: 1,
  C: 2,
  D: 8,
  F: 4,
  I: 4,
  J: 8,
  S: 2,
  Z: 1,
};

interface ClassDescription {
  readonly name: string;
  /** The type of each field: a letter of {@link PRIMITIVE_BYTES}, L or [. */
  readonly fieldTypes: readonly string[];
  readonly hasAnnotation: boolean;
  readonly parent: ClassDescription | undefined;
}

// The sealed secret keys of a JCEKS consist of some twenty parts.
const MAX_PARTS = 200;

/**
 * Reads past one object that java.io.ObjectOutputStream wrote: it does not say how long it is.
 * Nothing of it is made into anything.
 *
 * @throws ConnectorError CERTIFICATE_UNREADABLE for what is not such an object, or has more than 200 parts
 */
export function skipSerializedObject(data: JavaDataReader): void {
  if (data.readInt() !== STREAM_HEADER) throw damaged();
  new ObjectSkipper(data).skipContent();
}

function damaged(): Error {
  return unreadable('a secret key in it is damaged');
}

class ObjectSkipper {
  readonly #data: JavaDataReader;
  /** What references count: classes, and a hole for everything else. */
  readonly #handles: (ClassDescription | undefined)[] = [];
  #parts = 0;

  constructor(data: JavaDataReader) {
    this.#data = data;
  }

  /** Gives the class where the content is one. */
  skipContent(tag = this.#data.readByte()): ClassDescription | undefined {
    this.#parts += 1;
    if (this.#parts > MAX_PARTS) throw damaged();
    switch (tag) {
      case TAG.null:
        return undefined;
      case TAG.reference:
        return this.#handles[this.#data.readInt() - FIRST_HANDLE];
      case TAG.classDescription:
        return this.#readClass();
      case TAG.object:
        this.#skipObject();
        return undefined;
      case TAG.string:
        this.#handles.push(undefined);
        this.#data.readText();
        return undefined;
      case TAG.array:
        this.#skipArray();
        return undefined;
      case TAG.blockData:
        this.#data.skip(this.#data.readByte());
        return undefined;
      default:
        throw damaged();
    }
  }

  #readClass(): ClassDescription {
    const name = this.#data.readText();
    this.#data.skip(8); // the version of the class
    const handle = this.#handles.push(undefined) - 1;
    const flags = this.#data.readByte();
    if ((flags & IS_SERIALIZABLE) === 0) throw damaged();
    const fieldTypes = Array.from({ length: this.#data.readShort() }, () => this.#readFieldType());
    this.#skipAnnotation();
    const parent = this.skipContent();
    const description = { name, fieldTypes, hasAnnotation: (flags & HAS_WRITE_METHOD) !== 0, parent };
    this.#handles[handle] = description;
    return description;
  }

  #readFieldType(): string {
    const type = String.fromCharCode(this.#data.readByte());
    this.#data.readText();
    if (!(type in PRIMITIVE_BYTES)) this.skipContent();
    return type;
  }

  #skipObject(): void {
    const description = this.skipContent();
    if (!description) throw damaged();
    this.#handles.push(undefined);
    for (const { fieldTypes, hasAnnotation } of lineageOf(description)) {
      for (const type of fieldTypes) this.#skipValue(type);
      if (hasAnnotation) this.#skipAnnotation();
    }
  }

  #skipArray(): void {
    const description = this.skipContent();
    if (!description) throw damaged();
    this.#handles.push(undefined);
    const length = this.#data.readInt();
    const [, type = ''] = description.name;
    const bytes = PRIMITIVE_BYTES[type];
    if (bytes !== undefined) this.#data.skip(length * bytes);
    else for (let index = 0; index < length; index++) this.skipContent();
  }

  #skipValue(type: string): void {
    const bytes = PRIMITIVE_BYTES[type];
    if (bytes === undefined) this.skipContent();
    else this.#data.skip(bytes);
  }

  #skipAnnotation(): void {
    for (let tag = this.#data.readByte(); tag !== TAG.endOfBlockData; tag = this.#data.readByte()) {
      this.skipContent(tag);
    }
  }
}

// The fields of the outermost parent come first.
function lineageOf(description: ClassDescription): ClassDescription[] {
  return [...(description.parent ? lineageOf(description.parent) : []), description];
}

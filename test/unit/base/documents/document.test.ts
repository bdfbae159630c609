import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { assertDocument, type DocumentKind, parseDocument } from '../../../../src/base/documents/document.js';
import type { Manifest } from '../../../../src/base/documents/generated/manifest.js';
import * as validators from '../../../../src/base/documents/generated/validators.js';
import { aManifest, aManifestGhost } from '../../a-manifest.js';
import { ghostkeepError } from '../../expect.js';

const parse = (kind: DocumentKind, text: string) => parseDocument(kind, text, 'stdin', 'MANIFEST_INVALID');
const parseManifest = (value: unknown) => parse('Manifest', JSON.stringify(value));

describe('parseDocument', () => {
  it('when a document is valid, parseDocument returns it', () => {
    assert.deepEqual(parseManifest(aManifest()), aManifest());
  });

  it('when the text is not JSON, the error says so and has the code that the caller gave', () => {
    for (const text of ['', '{', 'null x', '\ufeff{}', '{"a":1,}', "{'a':1}", 'NaN'])
      assert.throws(() => parse('Manifest', text), ghostkeepError('MANIFEST_INVALID', 'stdin', 'not JSON'));
  });

  it('when the document is not an object, every kind of document refuses it', () => {
    for (const kind of Object.keys(validators) as DocumentKind[])
      for (const text of ['null', '[]', '1', '"x"', 'true', '[[]]'])
        assert.throws(
          () => parse(kind, text),
          ghostkeepError('MANIFEST_INVALID', 'the document is ', 'it must be an object'),
        );
  });

  it('when fields have a wrong type, the error names each of them', () => {
    const wrong = { ...aManifest(), version: '1', ghosts: [{ ...aManifestGhost(), uid: -1, holders: {} }] };
    assert.throws(
      () => parseManifest(wrong),
      ghostkeepError('MANIFEST_INVALID', 'version', 'ghosts.0.uid', 'ghosts.0.holders'),
    );
  });

  it('when a policy has an unknown field, the error names the field', () => {
    assert.throws(
      () => parse('Policy', '{"engin": "auto"}'),
      ghostkeepError('MANIFEST_INVALID', 'there is no key engin, only enabled, limit'),
    );
    assert.throws(
      () => parse('Manifest', '{"__proto__":{"format":"ghostkeep"}}'),
      ghostkeepError('MANIFEST_INVALID', 'format'),
    );
  });

  it("when a manifest has a field of a newer ghostkeep's, the field is ignored", () => {
    assert.doesNotThrow(() => parseManifest({ ...aManifest(), later: 'x' }));
  });

  it('when the name of an image leads out of the directory, the manifest is refused', () => {
    for (const image of [
      '../ghost-file-1.img',
      '/etc/passwd',
      'ghost-file-1.img/..',
      'ghost-file-G.img',
      'ghost-file-1.img\n',
      'ghostkeep/../x.img',
      'pages-1.img',
    ])
      assert.throws(
        () => parseManifest(aManifest({ ghosts: [aManifestGhost({ image })] })),
        ghostkeepError('MANIFEST_INVALID', 'ghosts.0.image'),
      );
  });

  it('when a count is not an exact integer, the manifest is refused', () => {
    for (const ino of [1.5, -1, 2 ** 53, '12', 'x', '1e20', '123456789012345678901', null])
      assert.throws(
        () => parseManifest(aManifest({ ghosts: [{ ...aManifestGhost(), ino: ino as number }] })),
        ghostkeepError('MANIFEST_INVALID', 'ghosts.0.ino'),
      );
    parseManifest(aManifest({ ghosts: [aManifestGhost({ ino: '18446744073709551615' })] }));
  });

  it('when the document is nested a million deep, it is refused like any other wrong document', () => {
    const deep = '['.repeat(1e6) + ']'.repeat(1e6);
    assert.throws(() => parse('OciState', deep), ghostkeepError('MANIFEST_INVALID'));
    assert.throws(
      () => parse('OciState', `{"annotations":{"a":${deep}}}`),
      ghostkeepError('MANIFEST_INVALID', 'annotations.a'),
    );
  });

  it('when thousands of fields are wrong, the message stays short', () => {
    const annotations = Object.fromEntries(Array.from({ length: 50_000 }, (_, n) => [`a${n}`, n]));
    assert.throws(
      () => parse('OciState', JSON.stringify({ annotations })),
      (error: Error) => ghostkeepError('MANIFEST_INVALID')(error) && error.message.length < 4000,
    );
    assert.throws(
      () => parse('OciState', JSON.stringify({ status: 'x'.repeat(1e6) })),
      (error: Error) => ghostkeepError('MANIFEST_INVALID')(error) && error.message.length < 4000,
    );
  });

  it('when we made the document ourselves, it is checked in the same way', () => {
    assertDocument<Manifest>('Manifest', aManifest(), 'x', 'IO');
    assert.throws(() => assertDocument('Manifest', {}, 'x', 'IO'), ghostkeepError('IO', 'format'));
  });
});

describe('schemas', () => {
  const folder = new URL('../../../../schemas/', import.meta.url);

  it('when a schema lies in schemas/, there is a validator with its title', () => {
    const titles = readdirSync(folder).map(
      file => (JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as { title: string }).title,
    );
    assert.deepEqual(titles.sort(), Object.keys(validators).sort());
  });
});

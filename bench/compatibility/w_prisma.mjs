// Formats and checks a schema.
import { createRequire } from 'node:module';
import { printResult } from './result.mjs';

const prisma = createRequire(import.meta.url)('@prisma/prisma-schema-wasm');
const models = Array.from(
  { length: 60 },
  (_, i) =>
    `model M${i} {\n id Int @id\n name String? @unique\n next M${(i + 1) % 60}? @relation("r${i}", fields:[nextId], references:[id])\n nextId Int? @unique\n back M${(i + 59) % 60}? @relation("r${(i + 59) % 60}")\n}`,
);
const schema = `datasource db {\n provider = "postgresql"\n}\ngenerator client {\n provider = "prisma-client-js"\n}\n${models.join('\n')}`;
const file = JSON.stringify([['schema.prisma', schema]]);
const formatting = { textDocument: { uri: 'file:/schema.prisma' }, options: { tabSize: 2, insertSpaces: true } };
printResult([
  prisma.format(file, JSON.stringify(formatting)),
  prisma.lint(file),
  prisma.get_dmmf(JSON.stringify({ prismaSchema: [['schema.prisma', schema]] })),
]);

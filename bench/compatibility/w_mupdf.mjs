// Writes a PDF, opens it and draws a page.
import * as mupdf from 'mupdf';
import { printResult } from './result.mjs';

const made = new mupdf.PDFDocument();
const font = made.addSimpleFont(new mupdf.Font('Helvetica'));
const lines = Array.from({ length: 60 }, (_, i) => `0 -12 Td (Line ${i} of a page with ${i * 31} words) Tj`);
const resources = made.addObject({ Font: { F1: font } });
made.insertPage(-1, made.addPage([0, 0, 595, 842], 0, resources, `BT /F1 10 Tf 40 800 Td ${lines.join('\n')} ET`));
const page = mupdf.Document.openDocument(made.saveToBuffer(''), 'application/pdf').loadPage(0);
const pixels = page.toPixmap(mupdf.Matrix.scale(2, 2), mupdf.ColorSpace.DeviceRGB, false);
printResult(pixels.asPNG());

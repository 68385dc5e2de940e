import { describe, expect, it } from 'vitest';
import { compileSelector, labelExpression } from './compile.ts';
import { parseSelector } from './parse.ts';

const compiled = (text: string, prefix?: string) => {
  const result = parseSelector(text);
  if (!result.ok) throw new Error(result.error);
  return compileSelector(result.value, prefix);
};

describe('compileSelector', () => {
  it('selects everything when nothing is asked', () => expect(compiled('{}')).toEqual({ where: '1', params: {} }));

  it('carries every text of the user as a parameter', () => {
    expect(compiled(`cpu{service="a' OR 1", namespace=~"shop.*|x", pod!="", node!~"n1"}`)).toEqual({
      where:
        'type = {p0:String} AND service = {p1:String} AND match(namespace, {p2:String}) AND pod != {p3:String} AND NOT match(node, {p4:String})',
      params: { p0: 'cpu', p1: "a' OR 1", p2: '^(?:shop.*|x)$', p3: '', p4: '^(?:n1)$' },
    });
  });

  it('looks up other labels in the map, by parameter too', () => {
    expect(compiled(`{"x'] OR 1"="y", team=~"z"}`, 'q')).toEqual({
      where: 'labels[{q0_label:String}] = {q0:String} AND match(labels[{q1_label:String}], {q1:String})',
      params: { q0_label: "x'] OR 1", q0: 'y', q1_label: 'team', q1: '^(?:z)$' },
    });
  });

  it('knows the names that Prometheus, Pyroscope and OpenTelemetry use', () => {
    expect(compiled('{__name__="cpu", service_name="a", k8s.pod.name="b"}').where).toBe(
      'type = {p0:String} AND service = {p1:String} AND pod = {p2:String}',
    );
  });

  it('takes no name from the prototype of an object for a column', () => {
    for (const label of ['constructor', '__proto__', 'unit', 'seen', 'series']) {
      expect(labelExpression(label, 'p').where).toBe('labels[{p:String}]');
    }
  });
});

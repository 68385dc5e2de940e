import { describe, expect, it } from 'vitest';
import { compileSelector, labelExpression, selectedDerivedType } from './compile.ts';
import { derivedFrom } from './derived.ts';
import { parseSelector } from './parse.ts';

const compiled = (text: string, prefix?: string) => {
  const result = parseSelector(text);
  if (!result.ok) throw new Error(result.error);
  return compileSelector(result.value, prefix);
};

const selected = (text: string) => {
  const result = parseSelector(text);
  return result.ok ? selectedDerivedType(result.value) : undefined;
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

  it('reads a derived type as the types that it is made of, in their one unit', () => {
    const where = 'type IN ({p0_0:String}, {p0_1:String}) AND unit = {p0_unit:String} AND service = {p1:String}';
    const params = { p0_0: 'cpu', p0_1: 'off_cpu', p0_unit: 'nanoseconds', p1: 'a' };
    for (const text of ['wall_clock{service="a"}', '{__profile_type__="wall_clock", service="a"}']) {
      expect(compiled(text)).toEqual({ where, params });
      expect(selected(text)?.type).toBe('wall_clock');
    }
    // Nothing that is stored has this type.
    expect(compiled('{type!="wall_clock"}').where).toBe('type != {p0:String}');
    expect(compiled('{service="wall_clock"}').where).toBe('service = {p0:String}');
    for (const text of ['cpu{}', 'wall{}', '{type!="wall_clock"}', '{service="wall_clock"}'])
      expect(selected(text)).toBeUndefined();
  });

  it('has a derived type where all of its parts are, in its unit', () => {
    const stored = (...types: string[]) => types.map((type) => ({ type, unit: 'nanoseconds' }));
    expect(derivedFrom(stored('cpu', 'off_cpu', 'wall')).map(({ type }) => type)).toEqual(['wall_clock']);
    expect(derivedFrom(stored('cpu', 'wall'))).toEqual([]);
    expect(derivedFrom([{ type: 'cpu', unit: 'cycles' }, ...stored('off_cpu')])).toEqual([]);
  });

  it('takes no name from the prototype of an object for a column', () => {
    for (const label of ['constructor', '__proto__', 'unit', 'seen', 'series']) {
      expect(labelExpression(label, 'p').where).toBe('labels[{p:String}]');
    }
  });
});

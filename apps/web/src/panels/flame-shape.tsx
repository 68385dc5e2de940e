import { MERGE_BY, type MergeBy } from '@perfleet/api-contract';
import type { ViewState } from '../state.ts';

export type FlameShape = Pick<ViewState, 'merge' | 'invert' | 'focus' | 'ignore'>;

/** As the API has it; what is not set is left out. */
export function shapeQuery({ merge, invert, focus, ignore }: FlameShape) {
  return {
    merge: MERGE_BY.find((one) => one === merge) ?? ('function' satisfies MergeBy),
    invert: invert === 'true',
    ...(focus !== '' && { focus }),
    ...(ignore !== '' && { ignore }),
  };
}

/** How the graph is made of the samples: what becomes one frame, which stacks are left out, which end is up. */
export function FlameShapeControls({
  shape,
  change,
}: {
  shape: FlameShape;
  change: (change: Partial<FlameShape>) => void;
}) {
  return (
    <div className="filters">
      <label>
        one frame for each
        <select value={shape.merge} onChange={(event) => change({ merge: event.target.value })}>
          {MERGE_BY.map((merge) => (
            <option key={merge}>{merge}</option>
          ))}
        </select>
      </label>
      <Pattern name="only with" value={shape.focus} onChange={(focus) => change({ focus })} />
      <Pattern name="without" value={shape.ignore} onChange={(ignore) => change({ ignore })} />
      <label>
        leaves first
        <input
          type="checkbox"
          checked={shape.invert === 'true'}
          onChange={(event) => change({ invert: event.target.checked ? 'true' : '' })}
        />
      </label>
    </div>
  );
}

/** Taken when it is whole: each one is a question to the store. */
function Pattern({ name, value, onChange }: { name: string; value: string; onChange: (value: string) => void }) {
  return (
    <label className="search">
      {name}
      <input
        key={value}
        type="search"
        placeholder="function, * for any characters"
        defaultValue={value}
        onBlur={(event) => event.target.value !== value && onChange(event.target.value)}
        onKeyDown={(event) => event.key === 'Enter' && onChange(event.currentTarget.value)}
      />
    </label>
  );
}
